"""Metrics and padding checks in a report are those of the records."""

from statistics import fmean

import pytest

from bench.evidence.metrics import metrics_of
from bench.evidence.results import Results, collect
from bench.records.record import Record
from bench.records.study import Study
from bench.report.quality import metrics_section, padding_section
from gptcore.result import PaddingCheck


def cells_of(section: str, name: str) -> list[str]:
    line = next(line for line in section.splitlines() if line.startswith(f"| {name} "))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_metrics_are_means_over_the_seeds(results: Results) -> None:
    runs = results.row("first-token").done
    metrics = [found for run in runs if (found := metrics_of(run))]
    cells = cells_of(metrics_section(results), "first-token")
    assert float(cells[1]) == pytest.approx(100 * fmean(m.macro_f1 for m in metrics), abs=0.005)
    assert float(cells[2]) == pytest.approx(100 * fmean(m.balanced_accuracy for m in metrics), abs=0.005)
    assert float(cells[3]) == pytest.approx(0.5)  # these records' probabilities are all alike
    assert float(cells[4]) == pytest.approx(0.2)
    assert float(cells[5]) == pytest.approx(100 * fmean(m.calibration_error for m in metrics), abs=0.005)
    wrong = sum(m.confusion[0][1] for m in metrics)
    assert cells[6].startswith(f"ham as spam {wrong} of {3 * 141}")


def test_without_predictions_there_is_no_table(study: Study, records: list[Record]) -> None:
    bare = [record.model_copy(update={"test": None}) for record in records]
    assert metrics_section(collect(study, bare)) == ""


def test_padding_checks_are_averaged_over_seeds(study: Study, records: list[Record]) -> None:
    recipe_id = study.row("baseline").recipe.id

    def checked(record: Record) -> Record:
        if record.recipe_id != recipe_id:
            return record
        checks = [
            PaddingCheck(
                padding="left",
                tokens_per_row=120,
                accuracy=0.5,
                n_flipped=30 * record.seed_index,
            ),
            PaddingCheck(padding="none", tokens_per_row=None, accuracy=0.75, n_flipped=3),
        ]
        return record.model_copy(update={"padding": checks})

    results = collect(study, [checked(record) for record in records])
    section = padding_section(results)
    left, none = (line for line in section.splitlines() if line.startswith("| baseline"))
    own = f"{100 * (results.row('baseline').accuracy() or 0):.2f}"
    assert [cell.strip() for cell in left.split("|")[2:-1]] == ["left", "50.00", own, "10.00"]
    assert [cell.strip() for cell in none.split("|")[2:-1]] == ["none", "75.00", own, "1.00"]
    assert padding_section(collect(study, records)) == ""


def test_many_classes_are_left_to_the_plot(study: Study, records: list[Record]) -> None:
    names = ("ham", "spam", "a", "b", "c")
    data = study.dataset.model_copy(update={"label_names": names, "test_label_counts": (141, 159, 0, 0, 0)})
    many = study.model_copy(update={"dataset": data})
    section = metrics_section(collect(many, [r.model_copy(update={"dataset": data}) for r in records]))
    assert "Confused" not in section
    assert "Macro-F1" in section
