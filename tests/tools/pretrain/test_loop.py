"""Pretraining at toy size: it learns, and a run that is killed goes on as if it had not been."""

import json
import math
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from gptcore.backbones.gpt import GPT
from gptcore.backbones.weights import random_gpt
from tools.pretrain import loop
from tools.pretrain.loop import (
    PretrainConfig,
    Pretraining,
    Progress,
    bits_per_byte,
    build_optimizers,
    held_out_loss,
    lr_factor,
)

STEPS = 20


@pytest.fixture
def config(toy_size, monkeypatch) -> PretrainConfig:
    """20 steps of 4 windows of 8 tokens, logged at every step."""
    monkeypatch.setattr(loop, "LOG_EVERY_STEPS", 1)
    return PretrainConfig(size=toy_size, tokens=STEPS * 4 * 8, batch=4, length=8)


@pytest.fixture
def start(config, tokens, tmp_path):
    """Starts (or goes on with) a run in a folder under tmp_path."""

    def make(name: str = "run", **changes: object) -> Pretraining:
        return Pretraining(replace(config, **changes), tmp_path / name, tokens[:800], tokens[800:])

    return make


def read_log(run: Pretraining) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.work / "log.jsonl").read_text().splitlines()]


def same_weights(a: GPT, b: GPT) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_lr_rises_then_falls_to_zero():
    shares = np.linspace(0, 1, 1001)
    factors = [lr_factor(float(share)) for share in shares]
    peak = factors.index(max(factors))
    assert max(factors) == 1
    assert shares[peak] == pytest.approx(loop.WARMUP_SHARE)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert factors[0] > 0  # the first step learns something
    assert factors[-1] == 0


def test_the_budget_is_tokens_or_minutes(config):
    assert Progress(step=5, train_s=1e9).share(config) == 5 / STEPS
    assert Progress(step=99).share(config) == 1
    minutes = replace(config, tokens=None, minutes=2.0)
    assert Progress(step=99, train_s=30).share(minutes) == 0.25
    assert Progress(train_s=200).share(minutes) == 1


def test_every_parameter_has_one_optimiser(config, toy_config):
    model = random_gpt(toy_config(tie_output=False), 0)
    muon, adamw = build_optimizers(model, config)
    ids = [{id(p) for group in opt.param_groups for p in group["params"]} for opt in (muon, adamw)]
    assert ids[0].isdisjoint(ids[1])
    assert ids[0] | ids[1] == {id(p) for p in model.parameters()}
    names = {name for name, p in model.named_parameters() if id(p) in ids[0]}
    assert names == {
        f"h.{i}.{layer}.weight"
        for i in range(3)
        for layer in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    }


def test_held_out_loss_is_the_cross_entropy_by_hand(toy_gpt, tokens):
    gpt = toy_gpt(context=8, vocab_size=64)
    losses = []
    for start in range(0, len(tokens) - 8, 8):
        window = tokens[start : start + 9].astype(np.int64).tolist()
        with torch.no_grad():
            logits = gpt.lm_logits(torch.tensor([window[:8]]))[0].double()
        for position, target in enumerate(window[1:]):
            scores = logits[position].tolist()
            losses.append(math.log(sum(math.exp(s) for s in scores)) - scores[target])
    assert len(losses) == 124 * 8
    assert held_out_loss(gpt, tokens) == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    # With fewer windows, the first and the last are among them.
    ends = losses[:8] + losses[-8:]
    assert held_out_loss(gpt, tokens, n_windows=2) == pytest.approx(sum(ends) / 16, rel=1e-5)


def test_bits_per_byte():
    assert bits_per_byte(math.log(256), bytes_per_token=1) == pytest.approx(8)
    assert bits_per_byte(4 * math.log(2), bytes_per_token=2.5) == pytest.approx(1.6)


def test_a_run_learns_and_leaves_its_log(start, monkeypatch):
    monkeypatch.setattr(loop, "EVALUATE_EVERY_STEPS", 100)
    run = start(tokens=200 * 32)
    before = held_out_loss(run.model, run.validation)
    reported: list[dict[str, float]] = []
    after = run.run(reported.append)
    assert before == pytest.approx(math.log(64), abs=0.2)  # random weights know nothing
    assert after < before - 1
    assert after == held_out_loss(run.model, run.validation, n_windows=2048)
    log = read_log(run)
    assert log == reported
    assert [entry["step"] for entry in log] == list(range(1, 201))
    assert [entry["tokens"] for entry in log] == [32 * step for step in range(1, 201)]
    assert log[-1]["share"] == 1
    assert [entry["step"] for entry in log if "held_out_loss" in entry] == [100, 200]
    assert log[99]["held_out_loss"] > log[199]["held_out_loss"]
    assert json.loads((run.work / "config.json").read_text())["tokens"] == 6400
    assert sorted(path.name for path in run.work.iterdir()) == ["checkpoint.pt", "config.json", "log.jsonl"]
    assert all(group["lr"] < 0.02 * base for group, base in zip(groups_of(run), run.base_lrs, strict=True))


def groups_of(run: Pretraining) -> list[dict[str, float]]:
    return [group for optimizer in run.optimizers for group in optimizer.param_groups]


def test_a_stopped_run_goes_on_as_if_undisturbed(start):
    undisturbed = start("undisturbed")
    loss = undisturbed.run(lambda _entry: None)

    stopped = start("stopped")
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    number = {5: signal.SIGTERM, 12: signal.SIGINT}

    def interrupt(entry: dict[str, float]) -> None:
        if entry["step"] in number:
            os.kill(os.getpid(), number[entry["step"]])

    assert math.isnan(stopped.run(interrupt))  # it has not reached its end
    assert stopped.stopping
    assert stopped.progress.step == 5
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    again = start("stopped")
    assert again.progress.step == 5
    again.run(interrupt)
    assert again.progress.step == 12
    last = start("stopped")
    assert last.run(lambda _entry: None) == loss
    assert same_weights(last.model, undisturbed.model)
    without_times = [
        [(e["step"], e["tokens"], e["loss"]) for e in read_log(run)] for run in (last, undisturbed)
    ]
    assert without_times[0] == without_times[1]


def test_a_killed_run_goes_on_from_its_last_checkpoint(start, monkeypatch):
    undisturbed = start("undisturbed")
    undisturbed.run(lambda _entry: None)

    killed = start("killed")
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)  # after every step

    def power_cut(entry: dict[str, float]) -> None:
        if entry["step"] == 7:
            raise SystemError

    with pytest.raises(SystemError):
        killed.run(power_cut)
    assert read_log(killed)[-1]["step"] == 7  # logged, but not in the checkpoint
    again = start("killed")
    assert again.progress.step == 6
    assert read_log(again)[-1]["step"] == 6
    again.run(lambda _entry: None)
    assert same_weights(again.model, undisturbed.model)
    assert [entry["step"] for entry in read_log(again)] == list(range(1, STEPS + 1))


def test_a_finished_run_is_not_trained_again(start):
    run = start()
    loss = run.run(lambda _entry: None)
    reported: list[dict[str, float]] = []
    again = start()
    assert again.run(reported.append) == loss
    assert not reported
    assert same_weights(again.model, run.model)


def test_other_seeds_give_other_models(start):
    runs = [start(str(seed), seed=seed) for seed in (1, 2)]
    assert not same_weights(runs[0].model, runs[1].model)
    assert not np.array_equal(runs[0].order.batch_at(0), runs[1].order.batch_at(0))
