"""A Hugging Face `config.json` read as a GPT-2's. A key that is not understood is refused. Imports no torch.

Every key is one of four kinds: a shape or a number that is used, a key of which some values are supported, an alias,
or a key that does not change what the model computes here. All others are refused.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from gptcore.backbones.checkpoint_files import (
    ADAPTER_CONFIG,
    CONFIG_FILE,
    VOCABULARIES,
    is_file,
    parse_json,
    printable,
    read_text,
)
from gptcore.backbones.config import ModelConfig
from gptcore.errors import UserError, first_problem

# Whole numbers: key -> field of ModelConfig, and the largest value that is believed.
SIZES = {
    "n_embd": ("d_model", 10**6),
    "n_layer": ("n_layer", 10**4),
    "n_head": ("n_head", 10**6),
    "n_positions": ("context", 10**8),
    "vocab_size": ("vocab_size", 10**8),
}
DEFAULT_POSITIONS = 1024  # where the config does not say
FLAGS = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,  # another order of the same arithmetic, in float32 as here
    "tie_word_embeddings": True,
}
# Names of `transformers` that are the same key.
ALIASES = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}
ACTIVATIONS = {
    **{name: name for name in ("gelu", "relu", "relu6", "silu", "mish", "hardswish", "leaky_relu", "tanh")},
    **dict.fromkeys(("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate"), "gelu_new"),
    "gelu_python": "gelu",
    "swish": "silu",
    "sigmoid": "sigmoid",
}
# Keys with the only values that are supported, the default first.
ONLY: dict[str, tuple[Any, ...]] = {
    "model_type": ("gpt2",),
    "add_cross_attention": (False,),
    "is_encoder_decoder": (False,),
    "tie_encoder_decoder": (False,),
    "pruned_heads": (None, {}, []),
    "quantization_config": (None,),
    "compression_config": (None,),
    "auto_map": (None, {}),  # code of the checkpoint's own
    "tokenizer": ("gpt2", "embedded", "own"),  # written by this project
}
ARCHITECTURES = re.compile(
    r"(TF|Flax)?GPT2(Model|LMHeadModel|DoubleHeadsModel|For(Sequence|Token)Classification|ForQuestionAnswering)"
)
# Keys that change nothing here: dropout, which this project does without; other tasks' heads; how text is generated;
# what is returned; memory. Token ids say what fills up rows (see `gptcore.backbones.checkpoint_tokenizer`).
_INERT_KEYS = """
    attn_pdrop embd_pdrop resid_pdrop initializer_range gradient_checkpointing use_cache use_bfloat16
    summary_activation summary_first_dropout summary_proj_to_labels summary_type summary_use_proj
    id2label label2id num_labels _num_labels problem_type finetuning_task task_specific_params prefix
    dtype torch_dtype torchscript tf_legacy_loss transformers_version _name_or_path _commit_hash
    attn_implementation _attn_implementation _attn_implementation_autoset _attn_implementation_internal
    _experts_implementation_internal _output_attentions
    output_attentions output_hidden_states output_scores return_dict return_dict_in_generate use_return_dict
    chunk_size_feed_forward is_decoder cross_attention_hidden_size tokenizer_class n_ctx n_special
    predict_special_tokens bad_words_ids begin_suppress_tokens diversity_penalty do_sample early_stopping
    encoder_no_repeat_ngram_size exponential_decay_length_penalty length_penalty max_length min_length
    max_new_tokens no_repeat_ngram_size num_beam_groups num_beams num_return_sequences remove_invalid_values
    repetition_penalty suppress_tokens temperature top_k top_p typical_p
"""
INERT = frozenset(_INERT_KEYS.split())
TOKEN_ID = re.compile(r"[a-z_]+_token_ids?")


def read_config(folder: Path) -> ModelConfig:
    """ModelConfig from a checkpoint folder's `config.json`.

    Raises UserError where it is missing or not a GPT-2's, with the key, its value and what is supported.
    """
    path = folder / CONFIG_FILE
    if not is_file(path):
        if is_file(folder / ADAPTER_CONFIG):
            raise UserError(
                f"{folder} holds a PEFT adapter without its model: load it with PEFT, call merge_and_unload(), "
                "save_pretrained() the result and name that folder"
            )
        raise UserError(
            f"{folder} has no {CONFIG_FILE}: a checkpoint is a folder with that and model.safetensors"
        )
    try:
        raw = parse_json(read_text(path))
    except ValueError as error:
        raise UserError(f"{path} is not the config of a GPT-2 model: {error}") from error
    config = parse_config(raw, str(path))
    if any(is_file(folder / file) for file in VOCABULARIES):
        config = config.model_copy(update={"tokenizer": "own"})
    return config


def parse_config(raw: dict[str, Any], where: str) -> ModelConfig:
    """ModelConfig from the content of a `config.json`. Raises UserError; `where` begins its message."""
    _check_family(raw, where)
    raw = _with_names_of_gpt2(raw, where)
    for key, value in raw.items():
        _check_key(key, value, where)
    values: dict[str, Any] = {}
    for key, (field, most) in SIZES.items():
        if key not in raw and key != "n_positions":
            raise UserError(f"{where} is not the config of a GPT-2 model: no {key!r}")
        values[field] = _whole(key, raw.get(key, DEFAULT_POSITIONS), most, where)
    n_inner = raw.get("n_inner")
    if n_inner is not None and _whole("n_inner", n_inner, 10**7, where) != 4 * values["d_model"]:
        values["n_inner"] = n_inner
    flags = {key: raw.get(key, default) for key, default in FLAGS.items()}
    try:
        return ModelConfig(
            **values,
            layer_norm_epsilon=raw.get("layer_norm_epsilon", 1e-5),
            activation=ACTIVATIONS[raw.get("activation_function", "gelu_new")],
            scale_attn_weights=flags["scale_attn_weights"],
            scale_attn_by_inverse_layer_idx=flags["scale_attn_by_inverse_layer_idx"],
            tie_output=flags["tie_word_embeddings"],
            tokenizer=raw.get("tokenizer", "gpt2"),
        )
    except ValidationError as error:  # n_head does not divide n_embd
        raise UserError(f"{where}: {first_problem(error, ModelConfig)}") from error


def _check_family(raw: dict[str, Any], where: str) -> None:
    """Raises UserError where the config names another model than a GPT-2."""
    if "model_type" in raw:
        _check_key("model_type", raw["model_type"], where)
    named = raw.get("architectures")
    if named is None:
        return
    if not isinstance(named, list):
        _refuse(where, "architectures", named, "a list of names")
    for name in named:
        if not isinstance(name, str) or not ARCHITECTURES.fullmatch(name):
            _refuse(where, "architectures", named, "GPT-2's, such as GPT2LMHeadModel")


def _with_names_of_gpt2(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """The config with each alias under its own key, without `architectures`. Raises UserError where two disagree."""
    found = {key: value for key, value in raw.items() if key not in ALIASES and key != "architectures"}
    for alias, key in ALIASES.items():
        if alias in raw and found.setdefault(key, raw[alias]) != raw[alias]:
            _refuse(where, alias, raw[alias], f"the same as {key}, which is {_shown(found[key])}")
    if "n_ctx" in found:
        found.setdefault("n_positions", found["n_ctx"])
    return found


def _check_key(key: str, value: Any, where: str) -> None:
    """Raises UserError for a key that is not known, or whose value is not supported."""
    if key in ONLY:
        if not any(type(value) is type(allowed) and value == allowed for allowed in ONLY[key]):
            _refuse(where, key, value, " or ".join(map(_shown, ONLY[key])))
    elif key in FLAGS:
        if not isinstance(value, bool):
            _refuse(where, key, value, "true or false")
    elif key == "activation_function":
        if not isinstance(value, str) or value not in ACTIVATIONS:
            _refuse(where, key, value, f"one of {', '.join(sorted(ACTIVATIONS))}")
    elif key == "layer_norm_epsilon":
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            _refuse(where, key, value, "a number above 0, at most 1")
    elif key not in SIZES and key != "n_inner" and key not in INERT and not TOKEN_ID.fullmatch(key):
        raise UserError(
            f"{where}: {_short(printable(key))} = {_shown(value)} is not a known key of GPT-2's config: "
            "remove it if it does not change what the model computes"
        )


def _whole(key: str, value: Any, most: int, where: str) -> int:
    if type(value) is not int or not 1 <= value <= most:
        _refuse(where, key, value, f"a whole number from 1 to {most:,}")
    return int(value)


def _refuse(where: str, key: str, value: Any, supported: str) -> NoReturn:
    raise UserError(f"{where}: {key} = {_shown(value)} is not supported: use {supported}")


def _shown(value: Any) -> str:
    """A value as JSON writes it, cut to a readable length."""
    try:
        return _short(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return f"a {type(value).__name__}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
