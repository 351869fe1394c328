"""Runs become records: done, failed or skipped, whatever happens on the way."""

import os
import socket
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.records.store import load_record, save_record
from bench.run import checks, runner
from bench.run.outcome import RefusedRunError
from bench.run.runner import Session, open_session, run_one
from bench.study.plan import PlannedRun
from gptcore.backbones.config import REGISTRY, ModelConfig, ModelEntry
from gptcore.data.datasets import Dataset, load_dataset
from gptcore.data.tokenizer import load_tokenizer
from gptcore.engine.engine import Engine
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Epoch
from gptcore.training import build as build_module
from gptcore.training.cut import cut_texts
from gptcore.training.fit import fit

TOY = ModelConfig(d_model=16, n_layer=2, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
RECIPE = Recipe(model="toy", weights="random", epochs=2, batch_size=4, lr=1e-3)
DIVERGES = RECIPE.model_copy(update={"lr": 1e30})
FEATURES = RECIPE.model_copy(update={"train": "features"})
TFIDF = Recipe(model="tfidf")


@pytest.fixture(autouse=True)
def toy_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "toy", ModelEntry(config=TOY, source="bundled", about="a toy"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """40 short messages, one of them too long for the model."""
    lines = ["text,label"]
    lines += [f"see you at {hour} then,ham\nwin {hour} free prizes now,spam" for hour in range(20)]
    lines[1] = f"{'again and ' * 20}again,ham\nfree,spam"
    path = tmp_path_factory.mktemp("data") / "messages.csv"
    path.write_text("\n".join(lines) + "\n")
    return load_dataset(path)


@pytest.fixture
def session(data: Dataset) -> Session:
    return Session(data, Engine("fast"), "cpu")


def planned(recipe: Recipe = RECIPE, seed_index: int = 0, **changes: Any) -> PlannedRun:
    seeds = Seeds(init=123, order=123 + seed_index)
    run = PlannedRun(("baseline",), recipe, seed_index, seeds, "todo")
    return replace(run, **changes)


def test_trunks_stay_for_other_splits_of_all_texts_and_go_with_those_of_a_part(session: Session) -> None:
    trunks, part = session.engine.trunks, RECIPE.model_copy(update={"train_size": 8})
    first = run_one(planned(), session)
    assert first.cost is not None
    of_all = next(iter(trunks._in_memory))
    for split in (7, 8):
        seeds = Seeds(init=123, order=123, split=split)
        record = run_one(planned(seeds=seeds), session)
        assert record.cost is not None
        assert record.cost.standalone_s > record.cost.marginal_s  # it has borrowed
        before = set(trunks._in_memory)
        run_one(planned(part, seeds=seeds), session)
        of_part = set(trunks._in_memory) - before
        assert of_all in trunks._in_memory
        assert of_part
    run_one(planned(seeds=Seeds(init=123, order=123, split=9)), session)
    assert of_part <= trunks._in_memory.keys()  # of the split before
    run_one(planned(seeds=Seeds(init=123, order=123, split=10)), session)
    assert of_part.isdisjoint(trunks._in_memory)
    assert of_all in trunks._in_memory


# --- a run that is done ----------------------------------------------------------------------------------


def test_a_done_run(session: Session) -> None:
    record = run_one(planned(), session)
    assert (record.status, record.reason) == ("done", None)
    assert record.run_id == f"{RECIPE.id}-s0"
    assert (record.recipe, record.engine, record.environment.dtype) == (RECIPE, "fast", "float32")
    assert record.dataset.fingerprint == session.data.fingerprint
    assert (record.dataset.n_train, record.dataset.n_validation, record.dataset.n_test) == (28, 4, 8)
    assert record.inputs is not None
    assert record.inputs.tokens_per_row == TOY.context < record.inputs.longest_tokens
    assert record.inputs.n_truncated == 1
    embedded = load_tokenizer("embedded")
    assert (record.inputs.tokenizer, record.inputs.tokenizer_fingerprint) == (
        "embedded",
        embedded.fingerprint,
    )
    assert record.weights is not None
    assert (record.weights.source, record.weights.pretrained) == ("random", False)
    assert record.parameters is not None
    assert record.parameters.trained == TOY.n_block_params + 2 * 16 + 2 * 17
    assert record.parameters.total == TOY.n_params + 2 * 17


def test_a_trained_classifier_is_measured_unless_the_session_says_no(session: Session) -> None:
    for recipe in (RECIPE, TFIDF):
        cost = run_one(planned(recipe), session).cost
        assert cost is not None
        assert cost.serving is not None
        assert cost.serving.saved_bytes > 0 < cost.serving.latency_p50_s
    session.measures_serving = False
    cost = run_one(planned(), session).cost
    assert cost is not None
    assert cost.serving is None


def test_each_run_sees_its_own_split_and_says_which_rows_it_tested(session: Session) -> None:
    first = run_one(planned(TFIDF), session)
    second = run_one(planned(TFIDF, seeds=Seeds(split=124)), session)
    other = session.data.with_split(124)
    assert first.dataset.fingerprint == session.data.fingerprint
    assert second.dataset.fingerprint == other.fingerprint != first.dataset.fingerprint
    assert second.dataset.source_fingerprint == first.dataset.source_fingerprint
    assert first.test is not None
    assert second.test is not None
    assert first.test.examples != second.test.examples
    assert second.test.examples == other.test.rows.tolist()  # type: ignore[union-attr]
    assert len(second.test.examples) == len(second.test.labels) == 8


@pytest.mark.parametrize("recipe", [RECIPE, FEATURES, TFIDF], ids=["network", "features", "tfidf"])
def test_a_record_comes_back_from_its_file(session: Session, recipe: Recipe, tmp_path: Path) -> None:
    record = run_one(planned(recipe), session)
    assert record.status == "done"
    assert load_record(save_record(tmp_path, record)) == record


@pytest.mark.parametrize("recipe", [RECIPE, FEATURES, TFIDF], ids=["network", "features", "tfidf"])
def test_metrics_are_those_of_the_predictions(session: Session, recipe: Recipe) -> None:
    record = run_one(planned(recipe), session)
    assert record.metrics is not None
    assert record.test is not None
    labels, predicted = np.array(record.test.labels), np.array(record.test.predicted)
    probabilities = np.array(record.test.probabilities)
    assert labels.tolist() == session.data.test.labels.tolist()
    assert probabilities.shape == (8, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=2e-6)
    assert predicted.tolist() == probabilities.argmax(axis=1).tolist()
    assert record.metrics.test.n == 8
    assert record.metrics.test.correct == (labels == predicted).sum()
    assert record.metrics.test.accuracy == record.metrics.test.correct / 8
    chosen = probabilities[np.arange(8), labels]
    assert record.metrics.test.log_loss == pytest.approx(-np.log(chosen).mean(), abs=1e-4)
    assert (record.metrics.train.n, record.metrics.validation.n) == (28, 4)


def test_curves_have_every_step_and_epoch(session: Session) -> None:
    heard: list[Epoch] = []
    record = run_one(planned(), session, heard.append)
    assert record.curves is not None
    # 7 batches of 4 an epoch, a point for every 10 steps begun
    assert [point.step for point in record.curves.losses] == [10, 14]
    assert [(point.epoch, point.step) for point in record.curves.epochs] == [(1, 7), (2, 14)]
    assert [epoch.epoch for epoch in heard] == [1, 2]
    first, second = record.curves.epochs
    assert 0 < first.train_s < second.train_s
    assert record.curves.best_epoch is None
    best = run_one(planned(RECIPE.model_copy(update={"restore_best": True})), session).curves
    assert best is not None
    losses = {point.validation_loss: point.epoch for point in best.epochs}
    assert best.best_epoch == losses[min(losses)]


@pytest.mark.parametrize("recipe", [RECIPE, FEATURES, TFIDF], ids=["network", "features", "tfidf"])
def test_phases_add_up(session: Session, recipe: Recipe) -> None:
    cost = run_one(planned(recipe), session).cost
    assert cost is not None
    assert sum(cost.phases.values()) == pytest.approx(cost.marginal_s, abs=1e-3)
    assert all(seconds >= 0 for seconds in cost.phases.values())
    assert {"train", "evaluate", "other"} <= set(cost.phases)
    assert cost.standalone_s == cost.marginal_s  # nothing was there to borrow
    assert cost.process_mem_bytes is not None
    assert cost.process_mem_bytes > 2**20


def test_what_was_borrowed_is_owned_up_to(session: Session) -> None:
    first, second = (run_one(planned(seed_index=i), session).cost for i in (0, 1))
    assert first is not None
    assert second is not None
    assert second.standalone_s > second.marginal_s
    assert second.standalone_s - second.marginal_s <= first.phases["trunk"] + 1e-3
    assert first.tokens_processed is not None
    assert second.tokens_processed is not None
    assert second.tokens_processed < first.tokens_processed


def test_flops_are_those_of_the_plain_loop_whatever_the_engine(session: Session) -> None:
    plain = replace(session, engine=Engine("plain"))
    for recipe in (RECIPE, RECIPE.model_copy(update={"position": "last_real"}), FEATURES):
        costs = [run_one(planned(recipe), each).cost for each in (session, plain)]
        assert costs[0] is not None
        assert costs[1] is not None
        assert costs[0].flops == costs[1].flops
        assert costs[0].flops
        assert costs[0].flops > 0
    tfidf = run_one(planned(TFIDF), session).cost
    assert tfidf is not None
    assert tfidf.flops is None


def test_both_engines_leave_the_same_predictions(session: Session) -> None:
    fast = run_one(planned(), session)
    plain = run_one(planned(), replace(session, engine=Engine("plain")))
    assert (fast.engine, plain.engine) == ("fast", "plain")
    assert fast.test is not None
    assert plain.test is not None
    assert fast.test.predicted == plain.test.predicted
    np.testing.assert_allclose(fast.test.probabilities, plain.test.probabilities, atol=2e-6)


def test_a_baseline_without_a_gpt_has_no_weights(session: Session) -> None:
    record = run_one(planned(TFIDF), session)
    assert (record.inputs, record.weights) == (None, None)
    assert record.curves is not None
    assert record.curves.losses == record.curves.epochs == []


@pytest.mark.parametrize("recipe", [RECIPE, TFIDF, DIVERGES], ids=["done", "tfidf", "failed"])
def test_a_record_tells_nothing_of_who_ran_it_where(
    session: Session, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "a-value-nobody-should-see")
    record = run_one(planned(recipe), session)
    assert socket.gethostname() not in record.environment.platform.split()
    text = save_record(tmp_path, record).read_text()
    for folder in (tempfile.gettempdir(), Path.cwd(), Path.home(), tmp_path):
        assert f"{folder}{os.sep}" not in text
        assert f'{folder}"' not in text
    assert "SOME_TOKEN" not in text
    assert "a-value-nobody-should-see" not in text


# --- runs that fail or cannot be done --------------------------------------------------------------------


def test_a_failed_run_says_why_in_a_line(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    failed = run_one(planned(DIVERGES), session)
    assert failed.status == "failed"
    assert failed.reason is not None
    assert failed.reason.startswith("FloatingPointError: ")
    assert "1e+30" in failed.reason
    assert "\n" not in failed.reason
    parts = (failed.metrics, failed.test, failed.curves, failed.cost, failed.parameters)
    assert parts == (None,) * len(parts)
    assert "Traceback" in caplog.text
    assert run_one(planned(), session).status == "done"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("out of memory\nTried to allocate 3 GiB"), "RuntimeError: out of memory"),
        (MemoryError(), "out of memory: MemoryError"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (ValueError("\n bad value \n"), "ValueError: bad value"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
)
def test_reasons(session: Session, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str) -> None:
    def raising(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(runner, "fit", raising)
    record = run_one(planned(), session)
    assert (record.status, record.reason) == ("failed", reason)


def test_what_the_user_has_to_change_is_not_a_record(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(*_: object, **__: object) -> None:
        raise UserError("no weights")

    monkeypatch.setattr(runner, "fit", raising)
    with pytest.raises(RefusedRunError, match=r"^no weights$"):
        run_one(planned(), session)


def test_a_blocked_run_is_skipped_with_its_reason(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "fit", None)  # is never called
    blocked = planned(state="blocked", reason="not enough memory: needs 9.1 GB, 2.0 GB are free")
    record = run_one(blocked, session)
    assert (record.status, record.reason) == ("skipped", blocked.reason)
    assert record.metrics is None


# --- the session -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "asked", "chosen"),
    [
        ("fast", "auto", "bfloat16"),
        ("fast", "float32", "float32"),
        ("fast", "bfloat16", "bfloat16"),
        ("plain", "auto", "float32"),
        ("plain", "bfloat16", "float32"),
    ],
)
def test_the_plain_engine_is_float32(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, engine: Any, asked: Any, chosen: str
) -> None:
    monkeypatch.setattr(runner, "probe_precision", lambda _device: "bfloat16")
    session = open_session(data, engine, asked, "cpu")
    assert (session.engine.name, session.engine.precision) == (engine, chosen)


def test_a_run_that_was_verified_says_by_how_much_the_engines_differ(session: Session) -> None:
    record = run_one(planned(), replace(session, verify=True))
    assert record.status == "done"
    assert record.verified is not None
    assert (record.verified.n_rows, record.verified.n_steps) == (16, 2)
    assert 0 <= record.verified.losses < 1e-5
    assert run_one(planned(), session).verified is None


def test_a_run_that_disagrees_with_the_plain_engine_fails(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trunk holds the states of other weights: everything after it would be wrong, and nothing would say so."""
    monkeypatch.setattr(build_module, "weights_fingerprint", lambda _gpt: "the same for all")
    other = planned(seeds=Seeds(init=5, order=123))
    session.verify = True
    assert run_one(planned(), session).status == "done"
    record = run_one(other, session)
    assert record.status == "failed"
    assert record.reason is not None
    assert record.reason.startswith(
        "DisagreementError: the fast engine's logits differ from the plain engine's"
    )
    session.verify = False
    assert run_one(other, session).status == "done"  # unseen without


def test_other_paddings_are_in_the_record(session: Session) -> None:
    record = run_one(planned(), session)
    assert record.padding is not None
    assert [(check.padding, check.tokens_per_row) for check in record.padding] == [
        ("left", 16),
        ("none", None),
    ]
    assert run_one(planned(TFIDF), session).padding is None


def test_tfidf_is_tried_on_the_texts_that_the_baseline_reads(data: Dataset) -> None:
    short = RECIPE.model_copy(update={"context": 2})
    record = run_one(planned(TFIDF), open_session(data, "plain", "float32", "cpu", baseline=short))
    assert record.metrics
    assert record.cut_texts
    assert (record.cut_texts.model, record.cut_texts.tokens, record.cut_texts.n_texts) == ("toy", 2, 40)
    found = cut_texts(data, short)
    assert found
    again = fit(TFIDF, found[0])
    assert record.cut_texts.test.correct == again.test.correct
    for baseline in (None, TFIDF):
        session = open_session(data, "plain", "float32", "cpu", baseline=baseline)
        assert run_one(planned(TFIDF), session).cut_texts is None
    nothing_cut = RECIPE.model_copy(update={"model": "nano", "context": "model"})
    assert run_one(planned(TFIDF), replace(session, baseline=nothing_cut)).cut_texts is None


def test_without_the_baselines_vocabulary_tfidf_still_runs(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object) -> None:
        raise UserError("the vocabulary is not here")

    monkeypatch.setattr(checks, "cut_texts", offline)
    record = run_one(planned(TFIDF), open_session(data, "plain", "float32", "cpu", baseline=RECIPE))
    assert (record.status, record.cut_texts) == ("done", None)
