"""Checkpoints in and out, and random initialisation."""

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gptcore.backbones.config import REGISTRY, ModelEntry
from gptcore.backbones.gpt import GPT
from gptcore.backbones.weights import load_gpt, random_gpt, save_gpt, weights_fingerprint
from gptcore.errors import UserError

CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def same_weights(a: GPT, b: GPT) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture
def folder(tmp_path, toy_gpt) -> Path:
    """A saved toy checkpoint."""
    save_gpt(toy_gpt(), tmp_path / "toy")
    return tmp_path / "toy"


def rewrite(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")


@pytest.mark.parametrize("tie_output", [True, False])
def test_saved_weights_come_back_bit_for_bit(tmp_path, toy_gpt, tie_output):
    gpt = toy_gpt(tie_output=tie_output)
    save_gpt(gpt, tmp_path)
    back = load_gpt(tmp_path)
    assert same_weights(back, gpt)
    assert back.config == gpt.config
    assert weights_fingerprint(back) == weights_fingerprint(gpt)
    assert all(p.requires_grad and p.dtype == torch.float32 for p in back.parameters())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_the_fingerprint_sees_one_bit(toy_gpt):
    gpt = toy_gpt()
    before = weights_fingerprint(gpt)
    with torch.no_grad():
        gpt.h[2].mlp.c_fc.bias[0] = torch.nextafter(gpt.h[2].mlp.c_fc.bias[0], torch.tensor(9.0))
    assert weights_fingerprint(gpt) != before


def test_half_precision_is_stored_and_opened_as_float32(tmp_path, toy_gpt):
    gpt = toy_gpt()
    save_gpt(gpt, tmp_path, dtype=torch.float16)
    stored = load_file(tmp_path / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert same_weights(load_gpt(tmp_path), gpt.half().float())


def test_layers_are_stored_as_conv1d(folder, toy_gpt):
    gpt, stored = toy_gpt(), load_file(folder / "model.safetensors")
    for name, tensor in gpt.state_dict().items():
        assert torch.equal(stored[name], tensor.t() if name.endswith(CONV1D) else tensor)
    assert stored["h.0.attn.c_attn.weight"].shape == (16, 48)  # (in, out)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin", "legacy .bin"])
@pytest.mark.parametrize("prefix", ["", "transformer."])
@pytest.mark.parametrize("buffers", [True, False])
def test_every_form_of_checkpoint_loads(folder, toy_gpt, file, prefix, buffers):
    tensors = load_file(folder / "model.safetensors")
    if buffers:  # as checkpoints of the first years have them
        for i in range(3):
            tensors[f"h.{i}.attn.bias"] = torch.ones(1, 1, 12, 12).tril()
            tensors[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    tensors = {f"{prefix}{name}": tensor for name, tensor in tensors.items()}
    if prefix:
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone()  # a tied copy beside the body
    if file == "model.safetensors":
        rewrite(folder, tensors)
    else:
        (folder / "model.safetensors").unlink()
        new_format = file != "legacy .bin"  # GPT-2's own file on the hub is of the older format
        torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=new_format)
    assert same_weights(load_gpt(folder), toy_gpt())


def test_tensors_that_do_not_fit_are_all_named(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["h.1.ln_1.weight"]
    tensors["h.3.ln_1.weight"] = torch.ones(16)
    tensors["wpe.weight"] = torch.ones(11, 16)
    tensors["h.0.mlp.c_fc.weight"] = torch.ones(64, 16)  # nn.Linear's layout
    rewrite(folder, tensors)
    with pytest.raises(UserError) as caught:
        load_gpt(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert "missing h.1.ln_1.weight" in message
    assert "surplus h.3.ln_1.weight" in message
    assert "wpe.weight is (11, 16), expected (12, 16)" in message
    assert "h.0.mlp.c_fc.weight is (64, 16), expected (16, 64)" in message
    assert "\n" not in message


def test_many_problems_are_counted(folder):
    rewrite(folder, {"h.0.attn.c_attn.weight": torch.ones(3)})
    # 4 + 3 x 12 tensors, 39 missing and 1 misshapen, 3 of a kind shown
    with pytest.raises(UserError, match=r"and 36 more; misshapen h\.0\.attn\.c_attn\.weight is \(3,\)"):
        load_gpt(folder)


def test_an_untied_checkpoint_needs_its_output(tmp_path, toy_gpt):
    save_gpt(toy_gpt(tie_output=False), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["lm_head.weight"]
    rewrite(tmp_path, tensors)
    with pytest.raises(UserError, match=r"missing lm_head\.weight"):
        load_gpt(tmp_path)


class Hostile:
    """Unpickled naively, it would leave a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("form", ["zip", "legacy", "bare pickle"])
def test_a_hostile_pickle_is_refused_and_not_run(folder, tmp_path, form):
    (folder / "model.safetensors").unlink()
    path, trace = folder / "pytorch_model.bin", tmp_path / "trace"
    if form == "bare pickle":
        path.write_bytes(pickle.dumps({"wte.weight": Hostile(trace)}, protocol=2))
    else:
        torch.save({"wte.weight": Hostile(trace)}, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(UserError, match=r"pytorch_model\.bin .*") as caught:
        load_gpt(folder)
    assert "\n" not in str(caught.value)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Hostile(trace)))
    assert trace.exists()  # so it was hostile


def test_foreign_and_broken_files_are_one_line(folder):
    (folder / "model.safetensors").write_bytes(b"not a safetensors file")
    with pytest.raises(UserError, match=r"model\.safetensors cannot be read"):
        load_gpt(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"no model\.safetensors \(nor .* pytorch_model\.bin"):
        load_gpt(folder)
    torch.save([torch.ones(2)], folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="not a state dict of tensors"):
        load_gpt(folder)
    (folder / "pytorch_model.bin").write_bytes(b"<html>please log in</html>")
    with pytest.raises(UserError, match="holds more than tensors"):
        load_gpt(folder)


@pytest.mark.parametrize("new_format", [True, False])
def test_a_download_that_was_cut_off_is_one_line(folder, toy_gpt, new_format):
    (folder / "model.safetensors").unlink()
    path = folder / "pytorch_model.bin"
    torch.save(toy_gpt().state_dict(), path, _use_new_zipfile_serialization=new_format)
    whole = path.read_bytes()
    for size in (0, 1, 50, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"pytorch_model\.bin (cannot be read|holds more)") as caught:
            load_gpt(folder)
        assert "\n" not in str(caught.value)


def test_random_weights_are_gpt2s(toy_config):
    gpt = random_gpt(toy_config(d_model=64, n_layer=3, context=64, vocab_size=500), seed=1)
    for name, parameter in gpt.state_dict().items():
        if name.endswith("bias"):
            assert (parameter == 0).all()
        elif "ln_" in name:
            assert (parameter == 1).all()
        else:
            std = 0.02 / math.sqrt(2 * 3) if name.endswith("c_proj.weight") else 0.02
            assert abs(parameter.mean()) < 0.05 * std
            assert parameter.std() == pytest.approx(std, rel=0.05)


def test_random_weights_depend_on_the_seed_alone(monkeypatch, toy_config):
    config = toy_config(tie_output=False)
    monkeypatch.setitem(REGISTRY, "toy", ModelEntry(config=config, source="bundled", about="a toy"))
    state = torch.get_rng_state()
    first = random_gpt(config, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    assert same_weights(random_gpt("toy", seed=3), first)
    assert not same_weights(random_gpt(config, seed=4), first)


def test_config_json_is_what_transformers_expects(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "gpt2"
    assert (config["n_embd"], config["n_layer"], config["n_head"], config["n_positions"]) == (16, 3, 2, 12)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux tells what is mapped")
def test_float32_weights_stay_in_the_file(tmp_path: Path, toy_gpt: Callable[..., GPT]) -> None:
    """They are views of the mapped file: nothing is copied, and what is written to them does not reach it."""
    save_gpt(toy_gpt(), tmp_path)
    file = tmp_path / "model.safetensors"
    before = file.read_bytes()
    gpt = load_gpt(tmp_path)
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(file))]
    mapped = [tuple(int(end, 16) for end in line.split()[0].split("-")) for line in lines]
    for parameter in gpt.parameters():
        assert any(begin <= parameter.data_ptr() < end for begin, end in mapped)
    with torch.no_grad():
        gpt.ln_f.weight.add_(1.0)
    assert file.read_bytes() == before


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_named(
    tmp_path: Path, toy_gpt: Callable[..., GPT], value: float
) -> None:
    gpt = toy_gpt()
    with torch.no_grad():
        gpt.wte.weight[3, 1] = value
    save_gpt(gpt, tmp_path)
    with pytest.raises(UserError, match=r"wte\.weight holds values that are not finite"):
        load_gpt(tmp_path)
