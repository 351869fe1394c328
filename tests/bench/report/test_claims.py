import re
from types import ModuleType

import pytest

from bench.evidence.results import Results, collect
from bench.records.study import Study
from bench.report.claims import claims_section


@pytest.fixture(scope="module")
def section(results: Results) -> str:
    return "\n\n".join(claims_section(results))


def cells(section: str) -> dict[str, list[str]]:
    """Number of the claim -> its line of the table."""
    lines = [line for line in section.splitlines() if re.match(r"\| \d", line)]
    found = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return {line[0]: line[1:] for line in found}


def test_every_claim_has_both_verdicts(section: str) -> None:
    found = cells(section)
    assert len(found) == 22
    for _, _, published, _, ours in found.values():
        assert re.match(r"\*\*(holds|contradicted|not decidable from the published data)\*\*", published)
        assert re.match(r"\*\*(holds|contradicted|undecided|not run)\*\*", ours)


def test_single_claims(section: str) -> None:
    found = cells(section)
    claim, published, first, here, second = found["1"]
    assert claim.endswith("(baseline against first-token)")
    assert published == "95.00 (91.9 to 96.9) against 75.00 (69.8 to 79.6): +20.00 (+14.16 to +25.78)"
    assert first == "**holds** (p <0.001): whichever items each row got right"
    assert re.match(r"9\d\.\d\d against 7\d\.\d\d: \+\d\d\.\d\d \(\+", here)
    assert re.fullmatch(
        r"\*\*holds\*\* \(p [<.\d]+\): 3 seeds; the published \+20\.00 is compatible with ours", second
    )
    assert found["7a"][2].endswith("the two published figures are equal")
    assert found["5c"][4] == "**not run**: xl: needs 12.4 GiB of memory, 7.1 GiB are there"
    assert found["4b"][1].startswith("0.69 against 0.28 min: 2.46 times (2.40 to 2.53)")
    assert found["4b"][4].startswith(
        "**holds**: 3 seeds; the stated 2.5 times"
    )  # records of studies.py are plain
    assert found["11"][4] == "**holds**: the same recipe, so the same runs"


def test_the_summary_counts_and_names_what_stands(section: str) -> None:
    assert "Of 22 claims, by the published figures: 8 hold, 14 not decidable; by this study, " in section
    after_holm = section.split("After Holm's correction over all 18 published comparisons of accuracy, ")[1]
    assert after_holm.startswith(
        "1 (baseline against first-token), 2 (baseline against last-layer), 5a (medium against baseline) "
        "and 8 (full-context against baseline) stand"
    )


def test_the_summary_of_a_study_with_few_of_the_rows(study: Study, studies: ModuleType) -> None:
    rows = [study.row(name) for name in ("baseline", "mean-pooling")]
    text = "\n".join(
        claims_section(collect(study.model_copy(update={"rows": rows}), studies.make_records(study)))
    )
    assert "Of 2 claims, by the published figures: 2 not decidable; by this study, " in text
    assert "none of these stands" in text


def test_errata(section: str) -> None:
    errata = section.split("### Inconsistencies in the source")[1]
    for start in (
        "- **Row 8 (xl)**: validation accuracy of 99.81% is impossible: of 149 items 148 are 99.33%, 149 are 100.00%.",
        "- **Rows 11 (lora) and 5 (all-layers)**: claim 7a says that the first is better, but both",
        "- **Rows 1 (baseline) and 18 (ignore-index)**: all 3 figures of these rows are identical.",
        "- **Row 18 (ignore-index)**: the option is read from the command line but never passed on",
        "- **Rows 11 (lora) and 12 (xl-lora)**: LoRA has alpha 16 at 124M and alpha 8 at 1558M",
    ):
        assert start in errata


def test_no_section_for_other_data_or_other_rows(study: Study, studies: ModuleType) -> None:
    records = studies.make_records(study)
    elsewhere = study.dataset.model_copy(update={"name": "reviews"})
    assert claims_section(collect(study.model_copy(update={"dataset": elsewhere}), records)) == []
    rows = [study.row("baseline"), study.row("tf-idf")]
    assert claims_section(collect(study.model_copy(update={"rows": rows}), records)) == []
