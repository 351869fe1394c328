"""GGUF to a folder: the same tensors, states and token ids as `transformers` has; what is not understood is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from gptcore import extras
from gptcore.backbones.convert import gguf_file
from gptcore.backbones.convert.gguf_model import convert_gguf
from gptcore.backbones.convert.tensors import write_folder
from gptcore.errors import UserError
from tests.gptcore.backbones.convert import toys

pytest.importorskip("gguf")
pytest.importorskip("transformers")


def opened(path: Path, folder: Path) -> torch.nn.Module:
    from transformers import AutoModelForCausalLM

    folder.mkdir()
    write_folder(convert_gguf(path), folder)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize("write", [toys.write_llama, toys.write_gemma3])
def test_a_converted_model_is_the_one_that_was_written(tmp_path, write):
    model = write(tmp_path / "toy.gguf")
    found = opened(tmp_path / "toy.gguf", tmp_path / "folder")
    for name, tensor in model.state_dict().items():
        # A norm's weight went through + 1 - 1.
        torch.testing.assert_close(found.state_dict()[name], tensor, atol=2e-7, rtol=0)
    assert found.lm_head.weight.data_ptr() == found.get_input_embeddings().weight.data_ptr()
    ids = torch.arange(20)[None]  # longer than gemma3's window
    with torch.no_grad():
        torch.testing.assert_close(found(ids).logits, model(ids).logits, atol=1e-5, rtol=1e-5)


def test_quantised_values_are_those_of_transformers_own_reader(tmp_path):
    from transformers import AutoModelForCausalLM

    toys.write_llama(tmp_path / "toy.gguf", quantise=True)
    ours = opened(tmp_path / "toy.gguf", tmp_path / "folder").state_dict()
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="toy.gguf", dtype=torch.float32)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours[name], tensor), name


def test_an_output_layer_of_its_own_is_kept(tmp_path, monkeypatch):
    import gguf

    close = gguf.GGUFWriter.write_header_to_file

    def with_output(writer):
        writer.add_tensor("output.weight", np.ones((24, 64), dtype=np.float32))
        close(writer)

    monkeypatch.setattr(gguf.GGUFWriter, "write_header_to_file", with_output)
    toys.write_llama(tmp_path / "toy.gguf")
    found = opened(tmp_path / "toy.gguf", tmp_path / "folder")
    assert not found.config.tie_word_embeddings
    assert bool((found.lm_head.weight == 1).all())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"llama.rope.scaling.type": "yarn"}, "llama.rope.scaling.type is not supported"),
        ({"llama.expert_count": 8}, "llama.expert_count is not supported"),
        (
            {"llama.rope.dimension_count": 8},
            "llama.rope.dimension_count is 8: only 16 or missing is supported",
        ),
        ({"llama.block_count": 3}, r"has no blk\.2\..* \(9 tensors of the model are missing\)"),
        ({"llama.block_count": 1}, r"blk\.1\..* is not a tensor of this architecture"),
        ({"llama.embedding_length": None}, "llama.embedding_length is missing"),
        ({"llama.context_length": "long"}, "llama.context_length is 'long': expected a value of type int"),
        ({"tokenizer.ggml.pre": "qwen2"}, "tokenizer of kind gpt2/qwen2 is not supported"),
        ({"tokenizer.ggml.add_space_prefix": True}, "add_space_prefix is True: only False is supported"),
        ({"tokenizer.ggml.merges": ["a b c"]}, "a merge of the tokenizer is not two tokens"),
        ({"tokenizer.ggml.tokens": toys.BPE_TOKENS[:-1]}, "llama.vocab_size is 24: only 23"),
        ({"tokenizer.ggml.token_type": [3] * 23}, r"24 tokens \(24 different\) and 23 kinds"),
        ({"tokenizer.ggml.token_type": [5] * 24}, "tokens of kind 5"),
        ({"tokenizer.ggml.add_eos_token": True, "tokenizer.ggml.eos_token_id": None}, "asks for a eos_token"),
        ({"tokenizer.ggml.precompiled_charsmap": [1, 2]}, "precompiled_charsmap is not supported"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(tmp_path, changes, message):
    toys.write_llama(tmp_path / "toy.gguf", changes)
    with pytest.raises(UserError, match=message) as caught:
        convert_gguf(tmp_path / "toy.gguf")
    assert "\n" not in str(caught.value)


def test_another_architecture_and_a_damaged_file_are_refused(tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF nothing")
    with pytest.raises(UserError, match=r"bad\.gguf cannot be read as GGUF"):
        convert_gguf(tmp_path / "bad.gguf")
    toys.write_gguf(tmp_path / "toy.gguf", "falcon", {}, torch.nn.Module(), {}, None, quantise=False)
    with pytest.raises(UserError, match=r"general\.architecture is 'falcon': only 'llama' or 'gemma3'"):
        convert_gguf(tmp_path / "toy.gguf")


def test_without_the_extra_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"pip install 'gpt-classifier-bench\[hf\]'"):
        gguf_file.open_gguf(tmp_path / "toy.gguf")


def tokenizer_of(path: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_str(convert_gguf(path).texts["tokenizer.json"])
    tokenizer.encode_special_tokens = True
    return tokenizer


def test_a_byte_level_tokenizer_cuts_digits_apart_and_leaves_control_tokens_as_text(tmp_path):
    toys.write_llama(tmp_path / "toy.gguf")
    tokenizer = tokenizer_of(tmp_path / "toy.gguf")
    assert tokenizer.encode("ab cd ab").tokens == ["ab", "Ġ", "cd", "Ġab"]
    assert tokenizer.encode("a 12!").tokens == ["a", "Ġ", "1", "2", "!"]  # never "12"
    assert tokenizer.encode("<|end|>").ids != [0]
    settings = json.loads(convert_gguf(tmp_path / "toy.gguf").texts["tokenizer_config.json"])
    assert settings["pad_token"] == settings["eos_token"] == "<|end|>"


def test_a_sentencepiece_tokenizer_joins_the_best_score_first_and_begins_with_bos(tmp_path):
    toys.write_gemma3(tmp_path / "toy.gguf")
    tokenizer = tokenizer_of(tmp_path / "toy.gguf")
    assert tokenizer.encode("ab ab").tokens == ["<bos>", "ab", "▁ab"]
    assert tokenizer.encode("abcd").tokens == ["<bos>", "abc", "d"]  # "abc" stands before "cd"
    assert tokenizer.encode("a  \n\nb").tokens == ["<bos>", "a", "  ", "\n\n", "b"]
    assert tokenizer.encode("é").tokens == ["<bos>", "<0xC3>", "<0xA9>"]
    assert tokenizer.decode(tokenizer.encode("ab  é\n\ncd").ids) == "ab  é\n\ncd"


def test_special_tokens_go_to_the_config(tmp_path):
    toys.write_gemma3(tmp_path / "toy.gguf")
    config = convert_gguf(tmp_path / "toy.gguf").config
    assert (config["pad_token_id"], config["bos_token_id"], config["eos_token_id"]) == (0, 2, 1)
    assert config["layer_types"] == ["sliding_attention"] * 5 + ["full_attention", "sliding_attention"]
