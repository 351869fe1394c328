"""The options of data reach every command that takes data, and what they find reaches the report."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench import cli
from bench.evidence.results import collect
from bench.records.facts import dataset_facts
from bench.records.store import load_study, save_study
from bench.records.study import Row, Study
from bench.report.html import render as render_html
from bench.report.markdown import render
from bench.report.text import class_counts, class_name
from bench.run.options import DataOptions, RunOptions
from bench.run.study_run import open_study
from gptcore.commands.options import with_options
from gptcore.data.datasets import load_dataset
from gptcore.data.options import ReadOptions
from gptcore.errors import UserError
from gptcore.recipe import Recipe

OPTIONS = (
    *("--text-column", "--label-column", "--label-names", "--encoding", "--separator", "--no-header"),
    *("--split-column", "--group-column", "--validation", "--test"),
)


@pytest.mark.parametrize("command", ["plan", "run", "speed"])
def test_every_command_that_takes_data_takes_how_to_read_it(command: str) -> None:
    shown = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "200"}).output
    for option in ("--data", *OPTIONS):
        assert option in shown


def test_options_become_one_value() -> None:
    found: list[DataOptions] = []

    def command(options: DataOptions) -> None:
        found.append(options)

    app = cli.typer.Typer()
    app.command()(with_options(command))
    given = [
        *("--data", "a", "--text-column", "title,body", "--separator", "tab", "--no-header"),
        *("--encoding", "latin-1", "--split-column", "part", "--label-names", "a,b", "--test", "t.csv"),
    ]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert found[0].data == "a"
    assert found[0].reading() == ReadOptions(
        text_column="title,body",
        separator="\t",
        header=False,
        encoding="latin-1",
        split_column="part",
        label_names="a,b",
        test=Path("t.csv"),
    )


@pytest.fixture
def odd_file(tmp_path: Path) -> Path:
    """Two spellings of a class, and every text under each."""
    rows = [f"text {i % 20},{label}" for i in range(60) for label in ("ham", " ham", "spam")]
    path = tmp_path / "odd.csv"
    path.write_text("\n".join(["text,label,id", *(f"{row},{i}" for i, row in enumerate(rows))]))
    return path


def study_of(path: Path, toy_study: Callable[..., Study]) -> Study:
    data = load_dataset(path)
    return toy_study(dataset=dataset_facts(data), notes=list(data.notes), warnings=list(data.warnings))


def test_what_is_odd_stands_in_the_manifest_and_the_report(
    odd_file: Path, toy_study: Callable[..., Study], tmp_path: Path
) -> None:
    save_study(tmp_path, study_of(odd_file, toy_study))
    study = load_study(tmp_path)
    results = collect(study, [])
    for page in (render(results), render_html(results).replace("&#39;", "'")):
        assert "differ only in blanks" in page
        assert "0 of 36; 0 ignoring case and whitespace" in page
        assert "stand under more than one label" in page.replace("texts stand", "texts stand")
        assert "columns not used: 'id'" in page
        assert "3: ' ham' 60, ham 60, spam 60" in page
        assert "' ham' 33.3%" in page


def test_manifests_without_the_new_fields_open(toy_study: Callable[..., Study], tmp_path: Path) -> None:
    save_study(tmp_path, toy_study())
    raw = json.loads((tmp_path / "study.json").read_text())
    del raw["notes"]
    for name in ("label_counts", "n_test_seen", "n_test_seen_alike"):
        del raw["dataset"][name]
    (tmp_path / "study.json").write_text(json.dumps(raw))
    study = load_study(tmp_path)
    assert study.notes == []
    assert study.dataset.label_counts is None
    assert "Classes of the test split" in render(collect(study, []))


def request(data: Path, out: Path, **changes: Any) -> RunOptions:
    values = {"matrix": "quick", "models": "nano", "data": str(data), "seeds": 2, "device": "cpu", "out": out}
    return RunOptions(**{**values, **changes})


def test_a_study_keeps_notes_and_warnings(odd_file: Path, tmp_path: Path) -> None:
    prepared = open_study(request(odd_file, tmp_path / "out"))
    assert prepared.study.notes[0] == "columns not used: 'id'"
    assert prepared.study.notes[1].startswith("160 texts repeat another, but for case and blanks")
    assert any("differ only in blanks" in warning for warning in prepared.study.warnings)
    assert set(prepared.study.warnings) <= set(prepared.warnings)


def test_a_study_of_few_groups_says_that_they_give_no_verdicts(tmp_path: Path) -> None:
    def warnings(users: int, group_column: str | None = "user") -> list[str]:
        path = tmp_path / f"{users}.csv"
        rows = (f"text {i},{'ab'[i % 2]},u{i % users}" for i in range(120))
        path.write_text("\n".join(["text,label,user", *rows]))
        study = open_study(request(path, tmp_path / f"{users}-{group_column}", group_column=group_column))
        facts = study.study.dataset
        assert (facts.n_test_groups is None) == (facts.test_groups_count_as is None) == (group_column is None)
        return [warning for warning in study.study.warnings if "--group-column" in warning]

    (few,) = warnings(15)
    assert "the test part has 3 groups: with fewer than 5 in the test parts of all seeds together" in few
    assert not warnings(15, None)
    assert not warnings(30)


def test_a_part_of_an_older_study_is_still_known_as_one(odd_file: Path, tmp_path: Path) -> None:
    whole = open_study(request(odd_file, tmp_path / "out"))
    facts = whole.study.dataset.model_copy(update={"label_counts": None, "n_test_seen": None})
    save_study(whole.folder, whole.study.model_copy(update={"notes": [], "warnings": [], "dataset": facts}))
    part = open_study(request(odd_file, tmp_path / "out", only=["first-token"]))
    assert len(part.manifest.rows) == len(whole.study.rows)
    assert part.manifest.notes == whole.study.notes
    assert part.manifest.dataset == whole.study.dataset
    assert any("differ only in blanks" in warning for warning in part.manifest.warnings)


def test_seeds_of_a_split_that_is_given_whole_are_refused(tmp_path: Path) -> None:
    parts = ["train"] * 7 + ["validation", "test", "test"]
    path = tmp_path / "a.csv"
    rows = [f"t{i},{'ab'[i // 10 % 2]},{parts[i % 10]}" for i in range(40)]
    path.write_text("\n".join(["text,label,part", *rows]))
    with pytest.raises(UserError, match=r"--vary split: .*nothing would vary"):
        open_study(request(path, tmp_path / "out", split_column="part", vary=["split"]))
    prepared = open_study(request(path, tmp_path / "out", split_column="part"))
    assert any("no seed splits them anew" in note for note in prepared.study.notes)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
@pytest.mark.parametrize("option", ["data", "models", "matrix", "out"])
def test_names_that_no_path_can_have_are_one_line(
    odd_file: Path, tmp_path: Path, option: str, name: str
) -> None:
    value = Path(name) if option == "out" else name
    asked = replace(request(odd_file, tmp_path / "out"), **{option: value})
    with pytest.raises(UserError) as caught:
        open_study(asked)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ham", "ham"),
        ("two words", "two words"),
        ("שלום 🙂", "שלום 🙂"),
        ("می\u200cشود", "می\u200cشود"),
        ("", "''"),
        (" ham", "' ham'"),
        ("a  b", "'a  b'"),
        ("a\u00a0b", "'a\\xa0b'"),
        ("sp\u200bam", "'sp\\u200bam'"),
        ("a\tb", "'a\\tb'"),
    ],
)
def test_all_of_a_class_name_is_seen(name: str, shown: str) -> None:
    assert class_name(name) == shown


def test_many_classes_are_named_in_part() -> None:
    names = [f"c{i}" for i in range(12)]
    counts = [*range(11, 0, -1), 1000]
    assert class_counts(names, counts, 3) == "c11 1,000, c0 11, c1 10 and 9 more, the smallest c10 1"
    assert class_counts(["a", "b"], [1, 2]) == "b 2, a 1"


def test_the_recommendation_says_that_test_texts_were_seen(
    toy_study: Callable[..., Study], odd_file: Path
) -> None:
    from bench.report.describe import leak

    study = study_of(odd_file, toy_study)
    seen = study.dataset.model_copy(update={"n_test_seen": 36, "n_test_seen_alike": 36})  # a published split
    leaking = study.model_copy(update={"dataset": seen})
    assert leak(collect(leaking, [])).startswith("36 of 36 test texts (100%) also stand in train")
    few = study.dataset.model_copy(update={"n_test_seen": 0, "n_test_seen_alike": 0})
    assert leak(collect(study.model_copy(update={"dataset": few}), [])) == ""
    assert leak(collect(toy_study([Row(name="baseline", recipe=Recipe())]), [])) == ""


def test_kfold_stands_in_the_manifest_and_does_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "folds.csv"
    path.write_text("text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(40)))
    asked = replace(request(path, tmp_path / "out"), splits="kfold")
    opened = open_study(asked)
    assert opened.study.dataset.splits == "kfold"
    assert any("k-fold splits" in note for note in opened.study.notes)
    assert open_study(replace(asked, splits="random")).study.dataset.splits == "random"
    with pytest.raises(UserError, match="no seed varies the split"):
        open_study(replace(asked, vary=["init"]))
