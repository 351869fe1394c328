"""The table of what ships, in both reports, in summary.csv and in the recommendation."""

from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from bench.evidence.results import Results, collect
from bench.evidence.serving import serving_of
from bench.records.record import Record
from bench.records.study import Study
from bench.report.html import render as render_html
from bench.report.markdown import render
from bench.report.recommendation import recommendation
from bench.report.serving import serving_section, ships
from bench.report.summary import write_summary
from gptcore.result import ServingCost

LORA = ServingCost(
    **{"saved_bytes": 812, "with_base_bytes": 498_000_812, "latency_p50_s": 0.012, "texts_per_s": 250.0},
    **{"merged_latency_p50_s": 0.008, "merged_texts_per_s": 400.0, "n_alone": 30, "n_together": 256},
)
WHOLE = ServingCost(
    **{"saved_bytes": 498_000_000, "with_base_bytes": 498_000_000, "latency_p50_s": 0.008},
    **{"texts_per_s": 410.0, "n_alone": 30, "n_together": 256},
)


def with_serving(record: Record, serving: ServingCost | None, jobs: int = 1) -> Record:
    assert record.cost
    cost = record.cost.model_copy(update={"serving": serving})
    where = record.environment.model_copy(update={"jobs": jobs})
    return record.model_copy(update={"cost": cost, "environment": where})


def served(study: Study, studies: ModuleType, jobs: int = 1) -> Results:
    """LoRA is slower with each seed, whole fine-tuning was measured once, features never."""
    rows = [study.row(name) for name in ("baseline", "features", "all-layers", "lora")]
    records = []
    for seed in range(3):
        slower = LORA.model_copy(update={"latency_p50_s": (0.012, 0.013, 0.014)[seed]})
        costs = {"lora": slower, "all-layers": WHOLE if seed == 1 else None}
        for row in rows:
            made = studies.make_record(row, seed, 0.9 if row.name == "lora" else 0.7, 9.0)
            records.append(with_serving(made, costs.get(row.name), jobs))
    return collect(study.model_copy(update={"rows": rows}), records)


def test_each_row_has_its_medians_and_older_ones_say_so(study: Study, studies: ModuleType) -> None:
    results = served(study, studies)
    table, note = serving_section(results)
    lines = {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("|")}
    assert [cell.strip() for cell in lines["lora"].split("|")[2:-1]] == [
        *("812 B", "498 MB", "13.0", "250", "8.00", "400")
    ]
    assert [cell.strip() for cell in lines["all-layers"].split("|")[2:-1]] == [
        *("498 MB", "498 MB", "8.00", "410", "–", "–")
    ]
    assert lines["features"].count("not measured") == 6
    assert "shared the machine" not in note
    assert "up to 2 runs shared the machine" in serving_section(served(study, studies, jobs=2))[1]
    assert table in render(results)


def test_without_adapters_there_are_no_columns_for_them(study: Study, studies: ModuleType) -> None:
    row = study.row("all-layers")
    study = study.model_copy(update={"rows": [study.row("baseline"), row]})
    results = collect(study, [with_serving(studies.make_record(row, 0, 0.9, 9.0), WHOLE)])
    assert "Merged:" not in serving_section(results)[0]


def test_a_study_from_before_has_no_such_table(results: Results, text: str) -> None:
    assert serving_section(results) == []
    assert "What ships" not in text
    assert 'id="serving"' not in render_html(results)
    assert ships(results.row("lora")) == ""


def test_the_page_has_the_same_table(study: Study, studies: ModuleType) -> None:
    page = render_html(served(study, studies))
    assert 'id="serving"' in page
    assert 'data-value="0.013"' in page
    assert ">13.0</td>" in page
    assert page.count(">not measured</td>") == 2 * 6


def test_the_recommendation_says_what_ships(study: Study, studies: ModuleType) -> None:
    sentence = recommendation(served(study, studies))[1]
    assert sentence.startswith("**Recommended: lora**")
    assert "takes 812 B (498 MB with its model) and answers one text in 13.0 ms." in sentence


def test_the_summary_has_them_unrounded(study: Study, studies: ModuleType, tmp_path: Path) -> None:
    results = served(study, studies)
    write_summary(tmp_path / "summary.csv", results)
    table = pd.read_csv(tmp_path / "summary.csv").set_index(["row", "seed_index"])
    assert table.loc[("lora", 2), "serving_latency_p50_s"] == pytest.approx(0.014)
    assert table.loc[("lora", 0), "serving_saved_bytes"] == 812
    assert pd.isna(table.loc[("features", 0), "serving_saved_bytes"])
    assert serving_of(results.row("features")) is None
