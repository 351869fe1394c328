"""What is forecast of a run is what it does: by name, the same phases and the same checks."""

from typing import Any

import pytest

from bench.run import probing
from bench.run.probing import forecast_here
from bench.run.runner import Session, run_one
from bench.study.plan import PlannedRun
from gptcore.backbones.config import REGISTRY, ModelConfig, ModelEntry
from gptcore.data.datasets import Dataset
from gptcore.engine.engine import Engine
from gptcore.recipe import Recipe, Seeds
from gptcore.training.probe import take_sample

TOY = ModelConfig(d_model=16, n_layer=2, n_head=2, context=12, vocab_size=8192, tokenizer="embedded")
TEXTS = [f"see you at home at {i} then and there" for i in range(20)] + [f"win {i}" for i in range(20)]
DATA = Dataset.from_texts(TEXTS, ["ham"] * 20 + ["spam"] * 20)
BASELINE = Recipe(model="toy", weights="random", epochs=1, batch_size=4, context=4)


@pytest.fixture(autouse=True)
def toy_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "toy", ModelEntry(config=TOY, source="bundled", about="a toy"))


@pytest.mark.parametrize(
    ("recipe", "session", "checks"),
    [
        (BASELINE, {}, {"padding", "serving"}),
        (BASELINE.model_copy(update={"train": "lora"}), {"verify": True}, {"padding", "serving"}),
        (BASELINE, {"measures_serving": False}, {"padding"}),
        (BASELINE.model_copy(update={"train": "features"}), {}, {"serving"}),
        (Recipe(model="tfidf"), {"baseline": BASELINE}, {"serving", "cut_texts"}),
        (Recipe(model="tfidf"), {}, {"serving"}),
    ],
    ids=["network", "verified", "a trial", "features", "tfidf", "tfidf alone"],
)
def test_the_forecast_has_the_phases_and_checks_of_the_run(
    recipe: Recipe, session: dict[str, Any], checks: set[str]
) -> None:
    opened = Session(DATA, Engine("fast"), "cpu", **session)
    run = PlannedRun(("row",), recipe, 0, Seeds(), "todo")
    found = forecast_here([run], opened, lambda *_: None)[run.run_id]
    record = run_one(run, opened)
    assert record.cost is not None
    assert record.cost.checks is not None
    sample = take_sample(recipe, DATA, Engine("fast"), "cpu", verify=opened.verify)
    assert sample is not None
    assert sample.of(DATA).phases.keys() == record.cost.phases.keys()
    assert found.checks.keys() == checks
    assert found.checks.keys() == record.cost.checks.keys() - {"other"}
    assert all(seconds > 0 for seconds in found.checks.values())
    assert (record.padding is not None) == ("padding" in checks)
    assert (record.cut_texts is not None) == ("cut_texts" in checks)


def test_tfidf_is_not_expected_to_be_fitted_again_where_few_texts_are_cut() -> None:
    run = PlannedRun(("row",), Recipe(model="tfidf"), 0, Seeds(), "todo")
    seconds = {}
    for context in (4, 12):
        baseline = BASELINE.model_copy(update={"context": context})
        opened = Session(DATA, Engine("fast"), "cpu", baseline=baseline)
        assert (run_one(run, opened).cut_texts is not None) == (context == 4)
        found = forecast_here([run], opened, lambda *_: None)[run.run_id]
        seconds[context] = found.checks["cut_texts"] / found.seconds
    assert seconds[4] > 1 > seconds[12]


def test_memory_that_earlier_probes_or_runs_have_left_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """`recommend` has rows timed group by group, in one process whose resident memory never falls."""
    resident = iter([100, 500, 900, 950, 2000, 1500])  # bytes before and after loading, of three calls
    monkeypatch.setattr(probing, "_resident_bytes", lambda _device: next(resident))
    opened = Session(DATA, Engine("fast"), "cpu")
    run = PlannedRun(("row",), Recipe(model="tfidf"), 0, Seeds(), "todo")
    found = [forecast_here([run], opened, lambda *_: None)[run.run_id].mem_bytes for _ in range(3)]
    assert found == [500, 550, 550]
