"""PEFT's results as a table: made files in the shape of its repository's."""

import io
import json
import os
from pathlib import Path

import pytest

from bench.evidence.published_judge import judge_table
from bench.published.judged import read_table
from tools.peft_table import rows_of, write

FOLDER = os.environ.get("PEFT_RESULTS", "")


def result(folder: Path, name: str, accuracy: float, status: str = "success") -> None:
    metrics = [{"step": 250, "valid accuracy": 0.4}, {"step": 5000, "test accuracy": accuracy}]
    content = {"run_info": {}, "train_info": {"status": status, "metrics": metrics}}
    (folder / f"{name}.json").write_text(json.dumps(content))


def test_results_become_rows_that_can_be_judged(tmp_path: Path) -> None:
    result(tmp_path, "lora", 631 / 1319)
    result(tmp_path, "vera", 400 / 1319)
    result(tmp_path, "cancelled", 0.0, status="cancelled")
    out = io.StringIO()
    write(rows_of(tmp_path), out)
    assert out.getvalue() == "row,figure,n,seeds\nlora,47.84,1319,1\nvera,30.33,1319,1\n"
    (tmp_path / "peft.csv").write_text(out.getvalue())
    (one,) = judge_table(read_table(str(tmp_path / "peft.csv"))).compared.values()
    assert (one.row, one.standing) == ("vera", "stands")


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(SystemExit, match="not a result of the comparison"):
        list(rows_of(tmp_path))


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER, reason="set PEFT_RESULTS to method_comparison/MetaMathQA/results at 5d602fd")
def test_the_published_verdict_on_63_rows(tmp_path: Path) -> None:
    """Of 62 comparisons with plain LoRA 29 stand, all of them worse; none of the 14 rows above it does."""
    path = tmp_path / "peft.csv"
    with path.open("w", newline="") as file:
        write(rows_of(Path(FOLDER)), file)
    table = read_table(str(path)).against_row("lora--llama-3.2-3B-rank32")
    found = list(judge_table(table).compared.values())
    standing = [one for one in found if one.standing == "stands"]
    assert (len(found), len(standing), sum(one.is_better for one in found)) == (62, 29, 14)
    assert not any(one.is_better for one in standing)
