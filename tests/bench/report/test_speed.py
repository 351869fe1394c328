"""The speed page says what was timed, what was scaled up, and which goals are met; its sums are those by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.records.speed import EndToEnd, EndToEndRow, RowSpeed, SpeedStudy, Taken
from bench.records.store import load_speed
from bench.report.speed import GOALS, shared_total, speed_page, write_speed
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from tests.bench.toys import ENVIRONMENT

PLACE = ENVIRONMENT.model_copy(update={"cpu": "a | processor", "dtype": "bfloat16"})


def row(name: str, plain: list[float], fast: list[float], trunk: float = 0.0, **more: Any) -> RowSpeed:
    """A row with so many seconds of training a pair, `trunk` of fast's in the trunk."""
    recipe = Recipe(**{"model": "gpt2", "train": "last_block", **more.pop("recipe", {})})
    return RowSpeed(
        row=name,
        recipe=recipe,
        plain=[Taken(phases={"train": s}) for s in plain],
        fast=[Taken(phases={"trunk": trunk, "train": s - trunk}) for s in fast],
        plain_flops=1e12,
        **more,
    )


def study(rows: list[RowSpeed], **more: Any) -> SpeedStudy:
    return SpeedStudy(
        models="gpt2",
        dataset="sms-spam",
        n_train=1045,
        epochs=5,
        pairs=3,
        precision="bfloat16",
        slices={"plain": "two steps", "fast": "eight steps"},
        rates={"float32": 1e11, "bfloat16": 3e11},
        rows=rows,
        environment=PLACE,
        created_at="2026-01-01T00:00:00+00:00",
        **more,
    )


BASE = row("baseline", [100, 120, 80], [10, 10, 10], trunk=8, trunk_key="a")


def table_line(page: str, *start: str) -> list[str]:
    """The cells of the first line of a table whose first cells are those."""
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[: len(start)] == list(start):
            return cells
    raise AssertionError(f"no line starts with {start}")


def test_ratios_are_medians_of_pairs() -> None:
    assert BASE.ratio == 10
    assert BASE.further_ratio == 50  # 100 / (10 - 8)
    cells = table_line(speed_page(study([BASE])), "baseline")
    assert cells[:7] == ["baseline", "100", "10.0", "10.0", "8.0, 12.0", "2.00", "50.0"]
    assert cells[-1] == "10%"  # 1e12 operations in 100 s at 1e11 a second


def test_a_shared_trunk_is_paid_once() -> None:
    other = row("other", [50] * 3, [9] * 3, trunk=8, trunk_key="a")
    alone = row("alone", [50] * 3, [9] * 3, trunk=8, trunk_key="b")
    full = row("full", [90] * 3, [30] * 3, recipe={"train": "all"})
    assert shared_total(study([BASE, other, alone, full])) == 10 + 1 + 9 + 30
    assert shared_total(study([BASE, other, alone, full]), seeds=3) == 50 + 2 * (2 + 1 + 1 + 30)


def test_random_weights_share_nothing_between_seeds() -> None:
    random = row("random", [50], [9], trunk=8, trunk_key="r", recipe={"weights": "random"})
    assert shared_total(study([random]), seeds=3) == 27


def test_goals_name_the_rows_below_them() -> None:
    slow = row("slow", [70] * 3, [10] * 3, trunk=9, trunk_key="a")
    page = speed_page(study([BASE, slow]))
    assert table_line(page, "other rows with a frozen part", "whole row")[2:] == [
        *("8", "7.0", "**no**", "slow (7.0)")
    ]
    assert table_line(page, "other rows with a frozen part", "each further seed")[2:5] == [
        "25",
        "50.0",
        "yes",
    ]
    assert table_line(page, "the whole matrix, one seed")[2:5] == ["5", "15.5", "yes"]  # 170 / (10 + 1)


def test_goals_are_not_judged_on_another_model() -> None:
    page = speed_page(study([row("baseline", [100.0], [10.0], recipe={"model": "mini"})]))
    assert "The goals are for gpt2 (124M) on two cores" in page
    assert "| Goal, times" not in page


def test_extra_rows_have_goals_and_no_part_in_its_total() -> None:
    extra_rows = row(
        "lora-last-real-token", [900] * 3, [300] * 3, recipe={"train": "lora", "position": "last_real"}
    )
    page = speed_page(study([BASE], extra_rows=[extra_rows]))
    assert table_line(page, "lora-last-real-token")[1:4] == ["900", "300", "3.0"]
    goal = table_line(page, "`all`, `lora`, reading `last_real` or no padding")
    assert goal[1:] == ["whole row", "4", "3.0", "**no**", "lora-last-real-token (3.0)"]
    assert table_line(page, "the whole matrix, one seed")[3] == "10.0"
    assert "All 1 rows (lora-last-real-token: not in the matrix, so not counted)" in page


def test_every_row_has_one_goal() -> None:
    def goal(**choices: Any) -> str:
        return next(goal.about for goal in GOALS if goal.of(Recipe(**choices)))

    assert goal(position="first") == "`first`, causal"
    assert goal(position="first", attention="bidirectional") == "other rows with a frozen part"
    assert goal(position="last_real").startswith("`last_real` or no padding, `last_block`")
    assert goal(padding="none").startswith("`last_real` or no padding, `last_block`")
    assert goal(train="last_layer", position="mean") == "other rows with a frozen part"
    assert goal(train="all") == "`all`, `lora`, reading `last`"
    assert goal(train="lora", position="last_real").startswith("`all`, `lora`, reading `last_real`")


def end_to_end(
    extrapolated: RowSpeed, plain: float, fast: float, created_at: str = "2026-02-03T04:05:06+00:00"
) -> EndToEndRow:
    return EndToEndRow(
        extrapolated=extrapolated,
        plain=EndToEnd(phases={"train": plain, "load": 0.01}, mem_bytes=2**30),
        fast=EndToEnd(phases={"trunk": 1.0, "train": fast - 1.0}, mem_bytes=2**29),
        environment=PLACE,
        created_at=created_at,
    )


def test_end_to_end_runs_are_next_to_extrapolated_times() -> None:
    page = speed_page(study([BASE], end_to_end=[end_to_end(BASE, 80, 20)]))
    (line,) = [line for line in page.splitlines() if "2026-02-03" in line]
    assert [cell.strip() for cell in line.replace("\\|", "/").strip("|").split("|")] == [
        *("baseline", "80.0", "20.0", "4.0", "10.0", "+25%", "-50%", "1.00 GiB", "512 MiB"),
        *("trunk 1.00; train 19.0", "2026-02-03, a / processor, bfloat16"),
    ]
    assert page.index("## Goals") < page.index("## End to end") < page.index(line)
    assert "No row was timed end to end" in speed_page(study([BASE]))


def test_end_to_end_runs_are_kept_until_repeated() -> None:
    other = row("other", [50], [9], recipe={"train": "all"})
    before = study([BASE], end_to_end=[end_to_end(BASE, 80, 20), end_to_end(other, 40, 10)])
    again = study([BASE]).with_end_to_end_of(before)
    assert again.end_to_end == before.end_to_end
    assert study([BASE]).with_end_to_end_of(None).end_to_end == []
    newer = end_to_end(BASE, 90, 20)
    assert again.with_end_to_end(newer).end_to_end == [before.end_to_end[1], newer]


def test_records_of_the_first_schema_open(tmp_path: Path) -> None:
    new = study([BASE, row("other", [50], [9])], by_model=[row("nano", [3.0], [1.0])])
    old = json.loads(new.model_dump_json()) | {"schema_version": 1, "beyond": []}
    del old["end_to_end"], old["extra_rows"]
    for each in (*old["rows"], *old["by_model"]):
        each["whole"] = {}
    done = {"phases": {"train": 80.0}, "mem_bytes": 7}
    old["rows"][0]["whole"] = {"plain": done, "fast": done}
    path = tmp_path / "gpt2.json"
    path.write_text(json.dumps(old))
    opened = load_speed(path)
    assert opened is not None
    (kept,) = opened.end_to_end
    assert (kept.extrapolated, kept.created_at, kept.environment) == (BASE, new.created_at, PLACE)
    assert (kept.plain.total_s, kept.plain.mem_bytes) == (80.0, None)  # it was that of a process with others
    assert opened.model_copy(update={"end_to_end": []}) == new
    assert "–" in next(line for line in speed_page(opened).splitlines() if "2026-01-01" in line)


def test_records_of_the_second_schema_open(tmp_path: Path) -> None:
    new = study([BASE], extra_rows=[row("other", [50], [9])], end_to_end=[end_to_end(BASE, 80, 20)])
    old = json.loads(new.model_dump_json()) | {"schema_version": 2}
    old["beyond"], (done,) = old.pop("extra_rows"), old.pop("end_to_end")
    old["whole"] = [{"sliced": done.pop("extrapolated"), **done}]
    path = tmp_path / "gpt2.json"
    path.write_text(json.dumps(old))
    assert load_speed(path) == new


@pytest.mark.parametrize(
    "text", ['{"schema_version": 1, "rows": 3}', '{"schema_version": 1, "rows": [3]}', "[]", "{"]
)
def test_a_damaged_page_record_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gpt2.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"gpt2.json .*move it away, and time the rows again"):
        load_speed(path)


def test_epochs_scale_training_alone() -> None:
    cells = table_line(speed_page(study([BASE])), "20")
    assert cells == ["20", "400", "16.0", "25.0"]  # plain 4 x 100; fast 8 + 4 x 2


def test_what_is_written(tmp_path: Path) -> None:
    lengths = [row(f"{n} tokens", [n / 1.0], [n / 8], recipe={"context": n}) for n in (32, 64)]
    written = study([BASE], by_length=lengths, by_model=[row("nano", [3.0], [1.0])])
    path = write_speed(tmp_path, written)
    assert path.name == "gpt2.md"
    assert "a \\| processor" in path.read_text()
    assert "Times of whole runs are extrapolated from slices" in path.read_text()
    assert SpeedStudy.model_validate_json((tmp_path / "gpt2.json").read_text()) == written
    assert (tmp_path / "gpt2-growth.svg").stat().st_size > 1000


@pytest.mark.parametrize("padding", ["none"])
def test_without_padding_there_is_no_share(padding: str) -> None:
    page = speed_page(study([row("alone", [5.0], [1.0], recipe={"padding": padding})]))
    assert table_line(page, "alone")[-1] == "–"
