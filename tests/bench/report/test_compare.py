import re
from pathlib import Path
from types import ModuleType

import pytest

from bench.evidence.results import Results, collect
from bench.records.store import save_record, save_study
from bench.records.study import Study
from bench.report.compare import comparison, write_comparison
from gptcore.errors import UserError

ROWS = {"baseline": 0.95, "first-token": 0.74, "mean-pooling": 0.96, "all-layers": 0.97}


def on_dataset(
    study: Study, studies: ModuleType, number: int, drop: float = 0.0, **environment: object
) -> Results:
    """A few rows on one of several datasets, all a little worse by `drop`."""
    dataset = study.dataset.model_copy(
        update={
            "name": f"data-{number}",
            "fingerprint": f"{number}" * 64,
            "source_fingerprint": f"{number}" * 64,
        }
    )
    few = study.model_copy(update={"dataset": dataset, "rows": [study.row(name) for name in ROWS]})
    records = []
    for name, accuracy in ROWS.items():
        for seed in range(3):
            record = studies.make_record(study.row(name), seed, accuracy - drop, 10, dataset=dataset)
            place = record.environment.model_copy(update=environment)
            records.append(record.model_copy(update={"environment": place}))
    return collect(few, records)


@pytest.fixture
def one(study: Study, studies: ModuleType) -> Results:
    return on_dataset(study, studies, 1)


def section(text: str, heading: str) -> str:
    return text.split(f"## {heading}\n")[1].split("\n## ")[0]


def test_two_commits_on_one_machine(study: Study, studies: ModuleType, one: Results) -> None:
    text = comparison({"old": one, "new": on_dataset(study, studies, 1, drop=0.2, git_sha="f" * 40)})
    assert text.startswith("# Comparison of old and new\n")
    differs = section(text, "Differences")
    assert "| Commit | 0123456789ab | ffffffffffff |" in " ".join(differs.split())
    assert "dataset, examples" in differs  # among what is the same
    rows = section(text, "new against old")
    line = next(line for line in rows.splitlines() if line.startswith("| baseline"))
    assert "−20." in line
    assert "worse (p 0.0" in line
    assert "of 900" in line
    assert re.search(r"The margin is \d points?\. All seeds are judged at once with the whole level", rows)
    assert "Time, ratio" in rows
    assert "1 dataset" in section(text, "Ranks over datasets") or "have 1." in section(
        text, "Ranks over datasets"
    )


def test_other_machines_have_no_ratio_of_times(study: Study, studies: ModuleType, one: Results) -> None:
    text = comparison({"here": one, "there": on_dataset(study, studies, 1, threads=64)})
    assert "Time, ratio" not in text
    assert "Time ratios are omitted" in text
    assert "the same predictions" in section(text, "there against here")


def test_other_data_is_compared_unpaired(study: Study, studies: ModuleType, one: Results) -> None:
    text = comparison({"one": one, "two": on_dataset(study, studies, 2, drop=0.2)})
    lines = [line for line in section(text, "two against one").splitlines() if line.startswith("| baseline")]
    assert "unpaired: the interval excludes zero" in lines[0]
    assert "Rows are not ranked: average ranks need at least 4 datasets" in text


def test_rows_that_one_study_lacks_are_named(study: Study, studies: ModuleType, one: Results) -> None:
    only = collect(study.model_copy(update={"rows": [study.row("tf-idf")]}), studies.make_records(study))
    text = comparison({"some": one, "other": only})
    assert "No row has finished in every study." in text
    assert "Not finished in some: tf-idf." in text
    assert "Not finished in other: all-layers, baseline, first-token and mean-pooling." in text


def test_ranks_over_four_datasets(study: Study, studies: ModuleType, tmp_path: Path) -> None:
    several = {f"data-{i}": on_dataset(study, studies, i, drop=0.02 * i) for i in range(1, 5)}
    out = tmp_path / "comparison.md"
    ranks = section(comparison(several, out), "Ranks over datasets")
    assert "Over 4 datasets Friedman's test rejects that all 4 rows are equal" in ranks
    lines = [line.split("|")[1].strip() for line in ranks.splitlines() if line.startswith("| ")]
    assert lines[-1] == "first-token"
    assert "![Average ranks over 4 datasets](comparison-ranks.svg)" in ranks
    assert "critical difference 2.35" in (tmp_path / "comparison-ranks.svg").read_text()
    assert (tmp_path / "comparison-ranks.svg").is_file()


def test_four_studies_on_three_datasets_are_not_ranked(study: Study, studies: ModuleType) -> None:
    several = {f"study-{i}": on_dataset(study, studies, min(i, 3)) for i in range(1, 5)}
    assert "these studies have 3." in comparison(several)
    again = {f"study-{i}": on_dataset(study, studies, min(i, 4)) for i in range(1, 6)}
    assert "two studies use the same data" in comparison(again)


def test_written_from_folders(study: Study, studies: ModuleType, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_study(tmp_path / name, study)
        for record in studies.make_records(study)[:3]:
            save_record(tmp_path / name, record)
    out = tmp_path / "new folder" / "comparison.md"
    text = write_comparison([tmp_path / "a", tmp_path / "b"], out)
    assert out.read_text(encoding="utf-8") == text
    assert "## b against a" in text


def test_bad_folders_and_files(tmp_path: Path, study: Study) -> None:
    save_study(tmp_path / "a", study)
    save_study(tmp_path / "b", study)
    with pytest.raises(UserError, match="two or more different study"):
        write_comparison([tmp_path / "a"])
    with pytest.raises(UserError, match="two or more different study"):
        write_comparison([tmp_path / "a", tmp_path / "a"])
    with pytest.raises(UserError, match="does not hold a study"):
        write_comparison([tmp_path / "a", tmp_path / "missing"])
    with pytest.raises(UserError, match=r"cannot write .* --out"):
        write_comparison([tmp_path / "a", tmp_path / "b"], tmp_path)
