import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from types import ModuleType

import pytest

from bench.evidence.results import Results, collect
from bench.records.record import Record
from bench.records.study import Study
from bench.report.markdown import render, write_report

ROOT = Path(__file__).parents[3]
SMALL = ("baseline", "first-token", "ignore-index")


def tables(report: str) -> dict[str, list[dict[str, str]]]:
    """Heading -> rows of the table under it."""
    found: dict[str, list[dict[str, str]]] = {}
    for section in report.split("\n## ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        if lines:
            cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
            found[section.splitlines()[0]] = [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]
    return found


def name_of(row: dict[str, str]) -> str:
    return re.sub(r" [⁰¹²³⁴-⁹]+$", "", row["Row"])


def small_study(study: Study, n_seeds: int = 3) -> Study:
    rows = [row for row in study.rows if row.name in SMALL]
    return study.model_copy(update={"rows": rows, "seeds": study.seeds[:n_seeds]})


def test_the_table_is_what_the_records_say(text: str, results: Results) -> None:
    rows = tables(text)["Results"]
    assert [name_of(row) for row in rows] == [result.name for result in results.finished]
    for row in rows:
        result = results.row(name_of(row))
        shares = [run.metrics.test.accuracy for run in result.done if run.metrics]
        assert row["Test accuracy, %"] == f"{100 * fmean(shares):.2f}"
        seeds = [cell for cell in row["Each seed"].split(" · ") if cell[0].isdigit()]
        assert seeds == [f"{100 * share:.2f}" for share in shares]
        train_s = fmean(run.cost.phases["train"] for run in result.done if run.cost)
        assert float(row["Training, s (plain engine)"].replace(",", "")) == pytest.approx(train_s, rel=0.02)
        alone_s = fmean(run.cost.standalone_s for run in result.done if run.cost)
        assert float(row["Run alone, s"].replace(",", "")) == pytest.approx(alone_s, rel=0.02)


def test_single_cells(text: str) -> None:
    rows = {name_of(row): row for row in tables(text)["Results"]}
    assert rows["lora"]["Change"] == "all-layers: train = lora"
    assert rows["baseline"]["Change"] == "baseline"
    assert rows["full-context"]["Each seed"].split(" · ")[1] == "failed"
    assert rows["high-lr"]["Each seed"].split(" · ")[2] == "–"
    assert rows["tf-idf"]["Parameters trained / all"] == "–"
    assert rows["baseline"]["Parameters trained / all"] == "7.08M / 124M"
    assert rows["medium"]["Published test, %"] == "84.67"
    assert rows["features"]["Published test, %"] == "–"


def test_it_opens_with_what_was_run_on_what(text: str) -> None:
    assert text.startswith("# Study: full-gpt2\n")
    for line in (
        "1,045 train, 149 validation, 300 test",
        "ham 47.0%, spam 53.0%",
        "53.00% (always predicting spam)",
        "70 done, 1 failed, 9 skipped; 1 without a record",
        "0: 123/123/123; 1: 124/124/123; 2: 125/125/123",
        "Example CPU 2.0 GHz, 2 threads",
        "numpy 2.3.0, torch 2.13.0",
        "0123456789ab",
    ):
        assert line in text


def test_rows_that_did_not_run_and_failures_have_their_reasons(text: str) -> None:
    found = tables(text)
    skipped = found["Rows without a finished run"]
    assert [row["Row"] for row in skipped] == ["xl", "xl-all-layers", "xl-lora"]
    assert {row["Reason"] for row in skipped} == {"needs 12.4 GiB of memory, 7.1 GiB are there"}
    assert [row["Published test, %"] for row in skipped] == ["98.33", "98.67", "98.33"]
    assert found["Failed runs"] == [
        {"Row": "full-context", "Seed": "1", "Reason": "RuntimeError: loss became nan at step 41"}
    ]


def test_every_plot_is_drawn_and_the_report_says_where(report: Path) -> None:
    there = {path.stem for path in report.parent.glob("plots/*.svg")}
    overview = {
        "accuracy",
        "accuracy-time",
        "curves-loss",
        "curves-accuracy",
        "model-size",
        "padding-context",
    }
    assert overview | {"pareto", "reliability", "confusion"} < there
    assert any(name.startswith("question-1-") for name in there)
    text = report.read_text()
    assert "![" not in text
    assert "`plots/` has the plots" in text


def test_notes_and_footnotes(text: str) -> None:
    assert "1. **context-64**: 23 texts were truncated to the context." in text
    assert (
        "3. **ignore-index**: The option was never passed on in the source. Same recipe as baseline" in text
    )
    assert "| ignore-index ³ |" in re.sub(" +", " ", text)


def test_it_says_how_to_reproduce(text: str, study: Study) -> None:
    end = text.split("## How to reproduce")[1]
    assert f"```\n{study.command}\n```" in end
    assert "init 125, order 125, split 123" in end
    assert study.dataset.source_fingerprint in end


def test_every_table_of_untrained_models_says_so(study: Study, studies: ModuleType) -> None:
    text = render(collect(study, studies.make_records(study, untrained=True)))
    headings = tables(text)
    assert len(headings) == 8
    for heading in headings:
        section = text.split(f"\n## {heading}\n")[1]
        assert section.index("randomly initialised weights") < section.index("|")
    assert "randomly initialised weights" not in render(collect(study, studies.make_records(study)))


def test_one_seed(study: Study, records: list[Record]) -> None:
    text = render(collect(small_study(study, n_seeds=1), records))
    assert "recipes need three seeds or more" in text
    assert "seeds is" not in text
    assert tables(text)["Results"][0]["Each seed"] == "96.00"


def test_a_study_without_finished_runs(study: Study, tmp_path: Path) -> None:
    path = write_report(tmp_path / "new", small_study(study), [])
    text = path.read_text()
    assert "No run has finished yet." in text
    assert "0 done, 0 failed, 0 skipped; 6 without a record" in text
    assert "![" not in text
    assert list((path.parent / "plots").iterdir()) == []
    assert len((path.parent / "summary.csv").read_text().splitlines()) == 10


def test_hostile_texts_stay_texts(study: Study, tmp_path: Path, studies: ModuleType) -> None:
    evil = "<img src=x onerror=alert(1)>|a\n| b | `c` ![x](http://e) $x_1$ \x1b[31m 漢"
    question = study.row("first-token").model_copy(update={"name": evil, "note": evil, "question": "q|<b>"})
    rows = [study.row("baseline"), question]
    dataset = study.dataset.model_copy(update={"label_names": (evil, "spam"), "name": evil})
    hostile = study.model_copy(
        update={
            "rows": rows,
            "dataset": dataset,
            "about": evil,
            "questions": {"q|<b>": evil},
            "command": evil,
        }
    )
    records = [
        studies.make_record(rows[0], 0, 0.9, 2),
        studies.make_record(rows[0], 1, 0.9, 2),
        studies.make_record(rows[1], 0, 0.8, 2),
        studies.make_unfinished(rows[1], 1, "failed", evil),
    ]
    path = write_report(tmp_path, hostile, records)
    text = path.read_text()
    prose = re.sub(r"^(`{3,})\n.*?\n\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "<img" not in prose
    assert "\x1b" not in text
    assert not re.search(r"(?<!\\)!\[x\]", prose)
    for rows_found in tables(prose).values():
        assert rows_found  # every line has as many cells as its header: `tables` is strict
    assert (tmp_path / "plots" / "question-1-q-b.svg").is_file()


def test_the_same_records_give_the_same_bytes_in_any_order(
    study: Study, records: list[Record], tmp_path: Path
) -> None:
    def digests(folder: Path, given: list[Record]) -> dict[str, str]:
        write_report(folder, small_study(study), given)
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    first = digests(tmp_path / "a", records)
    assert len(first) > 6
    assert first == digests(tmp_path / "b", records[::-1])


def test_plots_of_an_earlier_report_are_removed(study: Study, tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    old = tmp_path / "plots" / "question-9-old.svg"
    old.write_text("<svg/>")
    write_report(tmp_path, small_study(study), [])
    assert not old.exists()


def test_a_report_loads_neither_torch_nor_the_runner(tmp_path: Path) -> None:
    code = f"""
import sys
import bench.report.markdown, bench.report.show, studies
assert "matplotlib" not in sys.modules
study = studies.make_study()
rows = [row for row in study.rows if row.name in {SMALL!r}]
study = study.model_copy(update={{"rows": rows, "questions": {{}}}})
from pathlib import Path
bench.report.markdown.write_report(Path({str(tmp_path)!r}), study, studies.make_records(study))
assert (Path({str(tmp_path)!r}) / "plots" / "accuracy.svg").is_file()
for module in ("torch", "bench.run.runner", "matplotlib.pyplot"):
    assert module not in sys.modules, module
"""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "bench")])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
