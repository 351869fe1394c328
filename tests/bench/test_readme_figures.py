"""The README's figures of the committed until-decided study follow from its records."""

import re
from pathlib import Path

import pytest

from bench.evidence.results import Results, collect
from bench.evidence.verdicts import judge
from bench.records.store import load_records, load_study

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
STUDY = ROOT / "results" / "bundled"


@pytest.fixture(scope="module")
def bundled() -> Results:
    return collect(load_study(STUDY), list(load_records(STUDY).values()))


def table_rows() -> dict[str, list[str]]:
    """Row name -> cells of the README's table of that study."""
    table = README.split("results/bundled/plots/forest.svg")[1].split("\n\n")[1]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {cells[0].split(" (")[0]: cells for cells in rows}


def test_the_table_of_the_committed_study(bundled: Results) -> None:
    verdicts = judge(bundled)
    assert len(table_rows()) == 6
    for name, (_, against, seeds, accuracy, difference, word, time) in table_rows().items():
        result = bundled.row(name)
        mean = result.accuracy()
        assert mean is not None
        assert (int(seeds), float(accuracy)) == (len(result.done), round(100 * mean, 1)), name
        if not against:
            continue
        found = verdicts[name]
        assert found.time is not None
        figures = [
            100 * value for value in (found.difference.mean, found.difference.low, found.difference.high)
        ]
        printed = [float(text.replace("−", "-")) for text in re.findall(r"[+−][\d.]+", difference)]
        assert printed == pytest.approx(figures, abs=0.00501), name
        assert (against, word.strip("*")) == (found.against, found.call), name
        assert float(time.removesuffix(" ×")) == pytest.approx(found.time.ratio, abs=0.00501), name


def test_how_many_comparisons_are_decided(bundled: Results) -> None:
    can_differ = [
        one
        for one in judge(bundled).values()
        if bundled.row(one.row).recipe_id != bundled.row(one.against).recipe_id
    ]
    decided = [one for one in can_differ if one.call != "undecided"]
    assert f"**{len(decided)} of the {len(can_differ)}\ncomparisons that can differ are decided**" in README
