"""A tokenizer from the files beside a checkpoint's weights, through the `tokenizers` library. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptcore.backbones.checkpoint_files import (
    ADDED_TOKENS,
    CONFIG_FILE,
    MERGES,
    OTHER_VOCABULARIES,
    TOKENIZER,
    TOKENIZER_CONFIG,
    TOKENIZER_SPECIALS,
    VOCAB,
    is_file,
    read_json,
    read_text,
    tokenizer_files,
)
from gptcore.backbones.gpt2_vocabulary import gpt2_tokens
from gptcore.data.hf_tokenizer import HFTokenizer
from gptcore.data.tiktoken_tokenizer import END_OF_TEXT, gpt2_of_tokens
from gptcore.data.tokenizer import Tokenizer
from gptcore.errors import UserError, first_line

if TYPE_CHECKING:
    import tokenizers

# Classes whose vocab.json and merges.txt are a byte-level BPE as GPT-2's; None: not stated.
BYTE_LEVEL_CLASSES = (
    "GPT2Tokenizer",
    "GPT2TokenizerFast",
    "PreTrainedTokenizerFast",
    "TokenizersBackend",
    None,
)
_DECIDES_IDS = ("added_tokens", "normalizer", "pre_tokenizer", "model")
_REMEDY = "open it with transformers' AutoTokenizer and save_pretrained() it into the folder"
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized")


def open_tokenizer(folder: Path, special: bool = False) -> Tokenizer:
    """The tokenizer of a folder that has a vocabulary.

    special: put the special tokens around a text that the files ask for; GPT-2s do without. Run by tiktoken where it
    is GPT-2's to the last token. Raises UserError where the files cannot be read, are of another kind, or contradict
    each other, and where no token can fill up short rows.
    """
    settings = read_json(folder / TOKENIZER_CONFIG) if is_file(folder / TOKENIZER_CONFIG) else {}
    if is_file(folder / TOKENIZER):
        tokenizer = _from_tokenizer_json(folder / TOKENIZER)
    else:
        tokenizer = _from_vocab_and_merges(folder)
    tokenizer.no_padding()  # rows are filled up and cut elsewhere; here it would hide what stands around a text
    tokenizer.no_truncation()
    _add_tokens(tokenizer, folder, settings)
    _set_prefix_space(tokenizer, folder, settings)
    state = json.loads(tokenizer.to_str())
    if state["model"].get("dropout"):
        raise UserError(f"{folder / TOKENIZER}: dropout makes token ids random: set model.dropout to null")
    pad_id = _pad_id(tokenizer, folder, settings)
    prefix, suffix = _around(tokenizer, folder, settings) if special else ((), ())
    if not prefix + suffix and (tokens := gpt2_tokens(state, pad_id)) is not None:
        return gpt2_of_tokens(tokens)
    decides = {key: state[key] for key in _DECIDES_IDS} | {"pad_id": pad_id}
    if prefix + suffix:
        decides |= {"prefix": prefix, "suffix": suffix}
    fingerprint = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    notes = _notes(tokenizer, state, left_out=not special)
    return HFTokenizer("own", fingerprint, pad_id, tokenizer, notes, prefix, suffix, folder)


def _from_tokenizer_json(path: Path) -> tokenizers.Tokenizer:
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_str(read_text(path))
    except UserError:
        raise
    except BaseException as error:  # a panic of Rust code is no Exception
        raise _unreadable(path, error) from error


def check_class(folder: Path) -> None:
    """Raises UserError where the folder names a class of tokenizers that is not GPT-2's kind."""
    settings = read_json(folder / TOKENIZER_CONFIG) if is_file(folder / TOKENIZER_CONFIG) else {}
    kind = settings.get("tokenizer_class", _config(folder).get("tokenizer_class"))
    if kind not in BYTE_LEVEL_CLASSES:
        raise UserError(
            f"{folder}: tokenizer_class = {kind!r} without a tokenizer.json is not supported: {_REMEDY}"
        )


def _from_vocab_and_merges(folder: Path) -> tokenizers.Tokenizer:
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    check_class(folder)
    if missing := [name for name in (VOCAB, MERGES) if not is_file(folder / name)]:
        others = [name for name in (VOCAB, MERGES, *OTHER_VOCABULARIES) if is_file(folder / name)]
        there = f"has {others[0]}, but" if others else "says that it has a tokenizer of its own, but has"
        raise UserError(f"{folder} {there} neither tokenizer.json nor {missing[0]}: {_REMEDY}")
    vocab = read_json(folder / VOCAB)
    if not all(type(i) is int and 0 <= i < 2**31 for i in vocab.values()):
        raise UserError(f"{folder / VOCAB} does not map each token to its id")
    try:
        lines = [line.rstrip("\r") for line in read_text(folder / MERGES).split("\n")]
        if lines[0].startswith("#version"):
            del lines[0]
        merges = [(left, right) for left, right in (line.split(" ") for line in lines if line)]
        tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges))
    except UserError:
        raise
    except BaseException as error:
        raise _unreadable(folder / MERGES, error) from error
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _unreadable(path: Path, error: BaseException) -> UserError:
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error  # Ctrl-C
    reason = first_line(error)
    return UserError(f"{path} cannot be read: {reason}")


def _config(folder: Path) -> dict[str, Any]:
    return read_json(folder / CONFIG_FILE) if is_file(folder / CONFIG_FILE) else {}


def _specials(folder: Path, settings: dict[str, Any]) -> dict[str, str]:
    """Role, such as pad_token, -> the token that has it; tokenizer_config.json counts for more."""
    listed = read_json(folder / TOKENIZER_SPECIALS) if is_file(folder / TOKENIZER_SPECIALS) else {}
    found = {}
    for role, token in [*listed.items(), *settings.items()]:
        content = token.get("content") if isinstance(token, dict) else token
        if role.endswith("_token") and isinstance(content, str):
            found[role] = content
    return found


def _add_tokens(tokenizer: tokenizers.Tokenizer, folder: Path, settings: dict[str, Any]) -> None:
    """Add the tokens that are listed beside the vocabulary. Raises UserError where one would get another id."""
    from tokenizers import AddedToken

    specials = _specials(folder, settings)
    listed: dict[int, dict[str, Any]] = {}
    try:
        if folder / ADDED_TOKENS in tokenizer_files(folder):
            for content, i in read_json(folder / ADDED_TOKENS).items():
                listed[int(i)] = {"content": content}
        for i, token in (settings.get("added_tokens_decoder") or {}).items():
            listed[int(i)] = dict(token)
        for i, token in sorted(listed.items()):
            content = str(token["content"])
            special = bool(token.get("special", content in specials.values()))
            flags = {flag: bool(token[flag]) for flag in _FLAGS if flag in token}
            if tokenizer.token_to_id(content) is None or (special and content):
                tokenizer.add_tokens([AddedToken(content, special=special, **flags)])
            if (found := tokenizer.token_to_id(content)) != i:
                raise UserError(f"{folder}: the added token {content!r} should have id {i}, and has {found}")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"{folder}: its list of added tokens cannot be read: {error}") from error


def _set_prefix_space(tokenizer: tokenizers.Tokenizer, folder: Path, settings: dict[str, Any]) -> None:
    """Whether a space is added before a text: as tokenizer_config.json says, which `transformers` follows."""
    from tokenizers import pre_tokenizers

    cutter, asked = tokenizer.pre_tokenizer, settings.get("add_prefix_space")
    if not isinstance(cutter, pre_tokenizers.ByteLevel):
        return
    if asked is None and cutter.add_prefix_space:
        raise UserError(
            f"{folder / TOKENIZER} adds a space before a text, and {TOKENIZER_CONFIG} does not say whether: "
            "set add_prefix_space in it to true or false"
        )
    if asked is not None and not isinstance(asked, bool):
        raise UserError(f"{folder / TOKENIZER_CONFIG}: add_prefix_space = {asked!r}: use true or false")
    if asked is not None:
        cutter.add_prefix_space = asked
        tokenizer.pre_tokenizer = cutter


def _pad_id(tokenizer: tokenizers.Tokenizer, folder: Path, settings: dict[str, Any]) -> int:
    """The id that fills up short rows: padding's, else that of the end of a text. Raises UserError."""
    specials, config = _specials(folder, settings), _config(folder)

    def named(key: str) -> int | None:
        return tokenizer.token_to_id(specials[key]) if key in specials else None

    def numbered(key: str) -> int | None:
        i = config.get(key)
        return i if type(i) is int and 0 <= i < 2**31 and tokenizer.id_to_token(i) is not None else None

    end = tokenizer.token_to_id(END_OF_TEXT)
    found = next(
        (i for i in (named("pad_token"), numbered("pad_token_id"), named("eos_token"), end) if i is not None),
        None,
    )
    if found is not None:
        return int(found)
    # A config's default id may be that of a word.
    if (i := numbered("eos_token_id")) is not None and _is_reserved(tokenizer, i):
        return i
    raise UserError(f"{folder} has no token for padding: name a pad_token or eos_token in {TOKENIZER_CONFIG}")


def _around(
    tokenizer: tokenizers.Tokenizer, folder: Path, settings: dict[str, Any]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The special tokens before and after a text. Raises UserError where two files differ about them."""
    specials = _specials(folder, settings)
    bare = tokenizer.encode("a b", add_special_tokens=False).ids
    whole = tokenizer.encode("a b", add_special_tokens=True).ids
    begins = [i for i in range(len(whole) - len(bare) + 1) if whole[i : i + len(bare)] == bare]
    if not bare or not begins:
        raise UserError(f"{folder / TOKENIZER}: what it puts around a text is not understood: {_REMEDY}")
    prefix, suffix = tuple(whole[: begins[0]]), tuple(whole[begins[0] + len(bare) :])
    for key, role, ids in (("add_bos_token", "bos_token", prefix), ("add_eos_token", "eos_token", suffix)):
        asked, special = settings.get(key), specials.get(role)
        there = special is not None and tokenizer.token_to_id(special) in ids
        if isinstance(asked, bool) and asked != there:
            raise UserError(
                f"{folder}: {TOKENIZER_CONFIG} says {key} = {str(asked).lower()}, and {TOKENIZER} does otherwise: "
                f"{_REMEDY}"
            )
    return prefix, suffix


def _is_reserved(tokenizer: tokenizers.Tokenizer, i: int) -> bool:
    """Whether no text is cut into this token."""
    if i in tokenizer.get_added_tokens_decoder():
        return True
    text = tokenizer.decode([i], skip_special_tokens=False)
    return i not in tokenizer.encode(text, add_special_tokens=False).ids


def _notes(tokenizer: tokenizers.Tokenizer, state: dict[str, Any], left_out: bool) -> tuple[str, ...]:
    from tokenizers import pre_tokenizers

    notes = []
    if left_out and tokenizer.num_special_tokens_to_add(is_pair=False):
        notes.append("the tokenizer would put special tokens around a text; they are left out")
    is_byte_level = isinstance(tokenizer.pre_tokenizer, pre_tokenizers.ByteLevel)
    if is_byte_level and state["model"]["type"] == "BPE" and not state["model"]["unk_token"]:
        absent = sum(symbol not in state["model"]["vocab"] for symbol in pre_tokenizers.ByteLevel.alphabet())
        if absent:
            notes.append(
                f"the vocabulary lacks {absent} of the 256 bytes: characters that need them are dropped from texts"
            )
    return tuple(notes)
