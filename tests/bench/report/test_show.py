import io
import re
from types import ModuleType

from rich.console import Console

from bench.evidence.stats import wilson
from bench.records.record import Predictions, Record
from bench.records.study import Study
from bench.report.show import show_record


def shown(record: Record) -> str:
    console = Console(file=io.StringIO(), width=140, no_color=True)
    console.print(show_record(record))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return re.sub(" +", " ", text)


def test_a_finished_run(study: Study, studies: ModuleType) -> None:
    record = studies.make_record(study.row("lora"), 1, 0.96, 30)
    text = shown(record)
    assert record.run_id in text
    assert "│ train │ lora │ last_block │" in text  # what differs from the default, with the default
    assert "│ position │ last │ │" in text
    assert record.metrics
    assert record.cost
    low, high = wilson(record.metrics.test.accuracy, 300)
    assert f"{100 * record.metrics.test.accuracy:.2f} │ {100 * low:.1f} to {100 * high:.1f}" in text
    assert len(re.findall(r"│ [1-5] │ \d+ │ \d\d", text)) == 5  # epochs
    assert f"│ train │ {record.cost.phases['train']:.1f} │" in text
    assert "Example CPU 2.0 GHz, 2 threads" in text


def test_fields_that_do_not_matter_are_not_shown(study: Study, studies: ModuleType) -> None:
    assert "lora_rank" not in shown(studies.make_record(study.row("baseline"), 0, 0.9, 1))
    assert "lora_rank" in shown(studies.make_record(study.row("lora"), 0, 0.9, 1))


def test_a_failed_run_has_its_reason_and_no_figures(study: Study, studies: ModuleType) -> None:
    text = shown(
        studies.make_unfinished(study.row("baseline"), 0, "failed", "[bold]out of memory[/bold]\nmore")
    )
    assert "failed [bold]out of memory[/bold] more" in text
    assert "Metrics" not in text
    assert "Cost" not in text


def test_the_classical_baseline(study: Study, studies: ModuleType) -> None:
    text = shown(studies.make_record(study.row("tf-idf"), 0, 0.95, 0.05))
    assert "│ model │ tfidf │ gpt2 │" in text
    assert "Epochs" not in text


def test_of_many_classes_the_worst_confusions_are_listed(study: Study, studies: ModuleType) -> None:
    record = studies.make_record(study.row("baseline"), 0, 0.9, 1)
    names = tuple(f"class {i}" for i in range(400))
    counts = record.dataset.model_copy(update={"label_names": names, "test_label_counts": (1,) * 400})
    test = Predictions(
        labels=[3, 3, 5, 7],
        predicted=[9, 9, 5, 3],
        probabilities=[[0.9]] * 4,
        classes=[[9], [9], [5], [3]],
    )
    text = shown(record.model_copy(update={"dataset": counts, "test": test}))
    assert "│ class 3 │ class 9 │ 2 │" in text
    assert "│ class 7 │ class 3 │ 1 │" in text
    assert "class 5" not in text  # right, and no table of all by all
