"""The command line of the pretraining."""

import json
import sys

import pytest
import torch

from gptcore.backbones.config import REGISTRY, ModelConfig, ModelEntry
from gptcore.backbones.weights import load_gpt
from tools.pretrain import __main__ as command
from tools.pretrain import loop


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs the command and returns its exit code and what it printed."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["tools.pretrain", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            command.main()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out + captured.err

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "nano"], "give one budget: either --minutes or --tokens"),
        (["--size", "nano", "--tokens", 9, "--minutes", 9], "give one budget: either --minutes or --tokens"),
        (["--size", "gpt2", "--tokens", 9], "--size gpt2: use one of nano, micro, mini"),
        (["--size", "nano", "--tokens", 9, "--corpus", "/nowhere"], "--corpus /nowhere: no .txt"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(call, corpus, tmp_path, arguments, message):
    code, printed = call("--corpus", corpus, "--work", tmp_path, *arguments)
    assert code == 2
    error = printed[printed.index("error:") :]
    assert message in error
    assert error.count("\n") == 1


def test_a_call_leaves_a_model_that_opens(call, corpus, tmp_path, monkeypatch):
    config = ModelConfig(d_model=8, n_layer=1, n_head=1, context=256, vocab_size=8192, tokenizer="embedded")
    monkeypatch.setitem(REGISTRY, "nano", ModelEntry(config=config, source="bundled", about="a toy"))
    monkeypatch.setattr(torch, "compile", lambda function: function)
    monkeypatch.setattr(loop, "_has_bfloat16", lambda _device: False)
    arguments = ["--size", "nano", "--tokens", 2 * 16 * 256, "--corpus", corpus]
    folders = ["--work", tmp_path / "work", "--out", tmp_path / "out"]
    code, printed = call(*arguments, *folders)
    assert code == 0, printed
    assert "bits per byte on held-out text" in printed
    card = json.loads((tmp_path / "out" / "nano" / "card.json").read_text())
    assert card["tokens_seen"] == 2 * 16 * 256
    assert load_gpt(tmp_path / "out" / "nano").config == config
    code, printed = call(*arguments, *folders)  # nothing is left to do
    assert code == 0
    assert "continuing at step 2" in printed
