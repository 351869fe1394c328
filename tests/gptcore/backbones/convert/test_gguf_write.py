"""What llama.cpp cannot compute is refused by the key of the config that asks for it."""

import re

import numpy as np
import pytest

from gptcore.backbones.convert.gguf_families import WRITTEN
from gptcore.backbones.convert.gguf_write import gguf_obstacle, write_gguf
from gptcore.errors import UserError

pytest.importorskip("gguf")
pytest.importorskip("transformers")


def toy(family, **changes):
    from tests.parity.toys import toy_raw

    whole = {"sliding_window": None} if family == "mistral" else {}
    return toy_raw(family, **whole | changes)


@pytest.mark.parametrize("family", WRITTEN)
def test_the_usual_model_of_a_family_can_be_written(family):
    assert gguf_obstacle(toy(family)) is None


@pytest.mark.parametrize(
    ("family", "changes", "reason"),
    [
        (
            "electra",
            {},
            "electra is not written as GGUF, only gpt2, .*bert, roberta, distilbert: use --to onnx",
        ),
        (
            "bert",
            {"hidden_act": "relu"},
            "hidden_act = 'relu', and llama.cpp computes every bert with 'gelu'",
        ),
        (
            "gemma3_text",
            {"query_pre_attn_scalar": 7},
            "query_pre_attn_scalar = 7, .* every gemma3_text with 8",
        ),
        ("gemma3_text", {"layer_types": ["full_attention"] * 3}, r"layer_types = \['full_attention', "),
        (
            "gemma3_text",
            {
                "rope_parameters": {
                    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                    "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
                }
            },
            "rope_parameters = .*'linear'",
        ),
        ("mistral", {"sliding_window": 5}, "sliding_window = 5, .* every mistral with None"),
        ("smollm3", {"no_rope_layers": [1, 0, 1]}, r"no_rope_layers = \[1, 0, 1\], .* with \[1, 1, 1\]"),
        ("gemma2", {"attn_logit_softcapping": None}, "attn_logit_softcapping = None, .* with 50.0"),
        ("gemma2", {"layer_types": ["full_attention"] * 3}, r"layer_types = \['full_attention', "),
        ("gemma2", {"num_hidden_layers": 46}, "query_pre_attn_scalar = 8, .* every gemma2 with 4"),
        ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 2.0}}, "rope_type = 'linear'"),
    ],
)
def test_what_llama_cpp_computes_otherwise_is_refused(family, changes, reason):
    assert re.search(reason, gguf_obstacle(toy(family, **changes)) or "")


def test_a_tensor_without_a_place_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match=r"extra\.weight has no place in a GGUF file of this architecture"):
        write_gguf(tmp_path / "m.gguf", toy("bert"), {"extra.weight": np.ones((2, 2))}, {}, "mean")
    assert not list(tmp_path.iterdir())
