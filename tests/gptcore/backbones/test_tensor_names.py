"""Checkpoints in the forms in which people have them: prefixes, shards, heads of other tasks, foreign types."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gptcore.backbones.checkpoints import check_checkpoint
from gptcore.backbones.gpt import GPT
from gptcore.backbones.tensor_names import expected_shapes
from gptcore.backbones.weights import load_gpt, save_gpt
from gptcore.errors import UserError

Tensors = dict[str, Tensor]


@pytest.fixture
def folder(tmp_path: Path, toy_gpt: Callable[..., GPT]) -> Path:
    save_gpt(toy_gpt(), tmp_path)
    return tmp_path


def tensors_of(folder: Path) -> Tensors:
    return {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}


def rewrite(folder: Path, tensors: Tensors) -> None:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")


def opens_as(folder: Path, gpt: GPT, notes: tuple[str, ...] = ()) -> None:
    """The plan finds nothing wrong, and the weights are those of `gpt`; both tell the same notes."""
    loaded, expected = load_gpt(folder), gpt.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())
    assert loaded.notes == notes
    if (folder / "model.safetensors").exists():
        assert check_checkpoint(folder) == notes


@pytest.mark.parametrize("shape", [{}, {"n_inner": 20}, {"tie_output": False}, {"n_layer": 1}])
def test_expected_shapes_are_those_of_the_file(
    tmp_path: Path, toy_gpt: Callable[..., GPT], shape: dict
) -> None:
    gpt = toy_gpt(**shape)
    save_gpt(gpt, tmp_path)
    stored = {name: tuple(tensor.shape) for name, tensor in load_file(tmp_path / "model.safetensors").items()}
    assert expected_shapes(gpt.config) == stored


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("transformer.", ""),
        ("module.", "module."),
        ("module.transformer.", "module."),
        ("_orig_mod.", "_orig_mod."),
        ("model.transformer.", "model."),
        ("base_model.model.transformer.", "base_model.model."),
        ("_orig_mod.module.", "_orig_mod.module."),
    ],
)
def test_known_prefixes_are_removed(
    folder: Path, toy_gpt: Callable[..., GPT], prefix: str, said: str
) -> None:
    tensors = {f"{prefix}{name}": tensor for name, tensor in tensors_of(folder).items()}
    tensors[f"{said}lm_head.weight"] = torch.zeros(31, 16)  # beside the body, as `transformers` writes it
    rewrite(folder, tensors)
    note = f"the tensors' names begin with {said!r}, which was removed"
    opens_as(folder, toy_gpt(), (note,) if said else ())


def test_an_unknown_prefix_is_named(folder: Path) -> None:
    rewrite(folder, {f"gpt.{name}": tensor for name, tensor in tensors_of(folder).items()})
    with pytest.raises(UserError, match=r"the prefix 'gpt\.' of the tensors' names is not known"):
        check_checkpoint(folder)


@pytest.mark.parametrize(
    "head", ["score.weight", "classifier.bias", "multiple_choice_head.summary.weight", "v_head.summary.bias"]
)
@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_the_head_of_another_task_is_left_out_and_said(
    folder: Path, toy_gpt: Callable[..., GPT], head: str, prefix: str
) -> None:
    tensors = {f"{prefix}{name}": tensor for name, tensor in tensors_of(folder).items()}
    rewrite(folder, tensors | {head: torch.ones(2, 16)})
    opens_as(folder, toy_gpt(), (f"the head of another task was left out ({head})",))


def shard(folder: Path, suffix: str) -> dict[str, str]:
    """Cut model.safetensors into three shards of either kind. Returns the index's map."""
    tensors = tensors_of(folder)
    (folder / "model.safetensors").unlink()
    stem, end = ("model", "safetensors") if suffix == "safetensors" else ("pytorch_model", "bin")
    weight_map = {}
    for i in range(3):
        part = {name: tensor for at, (name, tensor) in enumerate(tensors.items()) if at % 3 == i}
        file = f"{stem}-{i + 1:05}-of-00003.{end}"
        if suffix == "safetensors":
            save_file(part, folder / file)
        else:
            torch.save(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    (folder / f"{stem}.{end}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return weight_map


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_shards_are_read(folder: Path, toy_gpt: Callable[..., GPT], suffix: str) -> None:
    shard(folder, suffix)
    opens_as(folder, toy_gpt())
    assert check_checkpoint(folder) == ()


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_missing_shard_is_named(folder: Path, suffix: str) -> None:
    file = sorted(set(shard(folder, suffix).values()))[1]
    (folder / file).unlink()
    for read in (check_checkpoint, load_gpt):
        with pytest.raises(UserError, match=rf"has 2 of the 3 shards .* {file} is missing"):
            read(folder)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_tensor_in_two_shards_is_refused(folder: Path, suffix: str) -> None:
    weight_map = shard(folder, suffix)
    first, second, _ = sorted(set(weight_map.values()))
    (folder / second).write_bytes((folder / first).read_bytes())
    with pytest.raises(UserError, match="is in another shard as well"):
        load_gpt(folder)


@pytest.mark.parametrize("name", ["../up.safetensors", "", "..", 3, None])
def test_an_index_names_files_of_its_folder_only(folder: Path, name: object) -> None:
    shard(folder, "safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"wte.weight": name}}))
    with pytest.raises(UserError, match="which is not a file of its folder"):
        check_checkpoint(folder)
    for content in ("{}", '{"weight_map": {}}', '{"weight_map": []}'):
        index.write_text(content)
        with pytest.raises(UserError, match="has no 'weight_map'"):
            check_checkpoint(folder)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn, torch.int64])
def test_weights_that_are_not_floating_point_are_refused(folder: Path, dtype: torch.dtype) -> None:
    tensors = tensors_of(folder)
    rewrite(folder, tensors | {"h.1.mlp.c_fc.weight": torch.zeros(16, 64).to(dtype)})
    for read in (check_checkpoint, load_gpt):
        with pytest.raises(UserError, match=r"not floating point h\.1\.mlp\.c_fc\.weight is "):
            read(folder)


def test_what_does_not_fit_is_said_by_the_plan_as_by_the_loading(folder: Path) -> None:
    tensors = tensors_of(folder)
    del tensors["wpe.weight"]
    rewrite(folder, tensors | {"h.0.crossattention.c_attn.weight": torch.zeros(2)})
    messages = []
    for read in (check_checkpoint, load_gpt):
        with pytest.raises(UserError, match=r"missing wpe\.weight; surplus h\.0\.crossattention") as caught:
            read(folder)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_an_adapter_alone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"a PEFT adapter without its model: .* merge_and_unload\(\)"):
        check_checkpoint(tmp_path)


def test_weights_under_another_name_are_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.fp16.safetensors")
    with pytest.raises(UserError, match=r"has no model\.safetensors .*it has model\.fp16\.safetensors"):
        check_checkpoint(folder)
