"""Trials at load: on the lowest blocks, kept only where they are an answer of the model."""

from pathlib import Path

import pytest

pytest.importorskip("transformers")

from gptcore.backbones.families import FAMILIES
from gptcore.backbones.hf_shallow import blocks_of_each_kind, shallow
from gptcore.engine import self_check
from gptcore.engine.self_check import check_itself, failures
from tests.parity.toys import toy_backbone


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.abilities.trunk])
def test_the_lowest_blocks_answer_as_all_do_and_the_model_stays_as_it_was(family: str) -> None:
    backbone = toy_backbone(family)
    blocks, info = list(backbone.blocks), backbone.info
    with shallow(backbone, 2):
        n = len(backbone.blocks)
        assert n == backbone.info.n_blocks == blocks_of_each_kind(backbone.blocks, 2)
        assert failures(backbone) == {}
    assert 2 <= n <= 3
    assert list(backbone.blocks) == blocks
    assert backbone.info == info


def test_a_block_of_each_kind_is_among_them() -> None:
    raw = {
        "num_hidden_layers": 8,
        "layer_types": [*["sliding_attention"] * 5, "full_attention"] + ["sliding_attention"] * 2,
    }
    assert blocks_of_each_kind(toy_backbone("gemma3_text", **raw).blocks, 3) == 6
    assert blocks_of_each_kind(toy_backbone("llama", num_hidden_layers=8).blocks, 3) == 3


def test_an_answer_is_kept_and_a_lack_of_memory_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path))
    kept = tmp_path / "self-checks"
    backbone = toy_backbone("llama")

    def fail(error: Exception) -> None:
        def trial(_self: object) -> None:
            raise error

        monkeypatch.setattr(self_check._Trials, "packed", trial)

    for error in (
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        ),
        MemoryError(),
        OSError("too many open files"),
    ):
        fail(error)
        with pytest.raises((MemoryError, OSError)):
            check_itself(backbone)
        assert not kept.exists()
    fail(RuntimeError("shapes do not fit"))
    check_itself(backbone)
    assert backbone.rewrites["packed"] == "off: RuntimeError: shapes do not fit"
    assert len(list(kept.iterdir())) == 1
    monkeypatch.undo()
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path))
    again = toy_backbone("llama")
    check_itself(again)
    assert again.rewrites == backbone.rewrites
