"""PEFT's comparison of methods as a CSV file for `python -m bench judge`, from a copy of its repository.

    git clone https://github.com/huggingface/peft && git -C peft checkout 5d602fdbff04c33c1c4de55cda9d4ae1d7cb7e40
    python -m tools.peft_table peft/method_comparison/MetaMathQA/results > peft.csv
    python -m bench judge peft.csv --against lora--llama-3.2-3B-rank32

A line for each finished result: its file's name, test accuracy in percent, and how many seeds it is of (one).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

N_TEST = 1319  # test items of GSM8K
HEADER = ("row", "figure", "n", "seeds")


def rows_of(folder: Path) -> Iterator[tuple[str, str, int, int]]:
    """The rows of every result of status "success", by name. Raises SystemExit for a file that is no result."""
    for path in sorted(folder.glob("*.json")):
        try:
            info = json.loads(path.read_text(encoding="utf-8"))["train_info"]
            if info["status"] != "success":
                continue
            (accuracy,) = [one["test accuracy"] for one in info["metrics"] if "test accuracy" in one]
        except (ValueError, KeyError, TypeError) as error:
            sys.exit(f"{path}: not a result of the comparison ({error!r}): remove it from the folder")
        yield path.stem, f"{100 * accuracy:.2f}", N_TEST, 1


def write(rows: Iterable[tuple[str, str, int, int]], out: TextIO) -> None:
    """Write the CSV file."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="folder method_comparison/MetaMathQA/results")
    rows = list(rows_of(parser.parse_args().results))
    if not rows:
        sys.exit("no results in that folder: name method_comparison/MetaMathQA/results of a copy of PEFT")
    write(rows, sys.stdout)


if __name__ == "__main__":
    main()
