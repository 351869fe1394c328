"""The published tables that come with the project, and what is refused."""

import pytest

from bench.published.table import PublishedTable, load_table
from gptcore.backbones.config import FAMILIES
from gptcore.errors import UserError

TABLE = load_table("llms_from_scratch")


def test_twelve_interpretations_are_22_claims_on_rows_of_the_full_matrix() -> None:
    ids = [one.id for one in TABLE.claims]
    assert len(ids) == len(set(ids)) == 22
    assert {int(name.rstrip("abcd")) for name in ids} == set(range(1, 13))
    assert len(TABLE.of_accuracy) == 18
    assert [row.row for row in TABLE.rows.values()] == list(range(1, 20))
    for one in TABLE.claims:
        assert {one.row, one.against} <= set(TABLE.rows)
        allowed = {"test accuracy": ("better", "worse", "equal"), "training time": ("longer", "shorter")}
        assert one.direction in allowed[one.metric]
        assert one.times is None or one.metric == "training time"
        assert one.points is None or one.metric == "test accuracy"
    for erratum in TABLE.errata:
        assert set(erratum.rows) <= set(TABLE.rows)


def test_directions_are_those_of_the_published_figures_but_for_the_erratum() -> None:
    for one in TABLE.claims:
        if one.metric == "test accuracy":
            difference = TABLE.rows[one.row].test_acc - TABLE.rows[one.against].test_acc
            seen = "better" if difference > 0 else "worse" if difference < 0 else "equal"
            assert one.direction == seen or one.id == "7a"
        else:
            longer = TABLE.rows[one.row].minutes_a100 > TABLE.rows[one.against].minutes_a100
            assert one.direction == ("longer" if longer else "shorter")


def test_figures_are_of_one_family() -> None:
    assert all(TABLE.has_model(name) for name in FAMILIES["gpt2"])
    assert TABLE.has_model("openai-community/gpt2")
    assert not TABLE.has_model("mini")


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(UserError, match=r"published = '\.\./x': known are llms_from_scratch"):
        load_table("../x")


def test_a_claim_needs_figures_of_its_rows() -> None:
    raw = TABLE.model_dump(by_alias=True)
    del raw["rows"]["medium"]
    with pytest.raises(ValueError, match="no figures of medium"):
        PublishedTable.model_validate(raw)
