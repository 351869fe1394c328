"""Where a model's checkpoint lies: bundled with the package, in a local folder, or on the Hugging Face hub.

Imports no torch, so that planning can say what is at hand without loading it.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from gptcore.backbones.checkpoint_files import WEIGHT_FILES, weight_files
from gptcore.backbones.config import REGISTRY, ModelConfig
from gptcore.errors import UserError
from gptcore.paths import path_kind

PROBES = 2  # a single connection may be cut off
PROBE_LIMIT_S = 5.0  # how long to wait for an answer of the hub before it counts as out of reach


def checkpoint_folder(name_or_path: str | Path) -> Path:
    """The local folder of a checkpoint; hub checkpoints are downloaded through huggingface_hub.

    HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE work as its users expect. Raises UserError.
    """
    name = str(name_or_path)
    if name in REGISTRY:
        entry = REGISTRY[name]
        if not entry.bundled:
            return _hub_folder(entry.source)
        folder = bundled_folder(name)
        if not (folder / WEIGHT_FILES[0]).is_file():
            raise UserError(f"model {name!r}: no pretrained weights in {folder}; use weights = 'random'")
        return folder
    if path_kind(name) == "folder":
        return Path(name)
    if is_hub_id(name):
        return _hub_folder(name)
    raise UserError(
        f"model {name!r} is neither a known name ({', '.join(REGISTRY)}) "
        "nor a folder nor a hub id 'owner/name'"
    )


def is_hub_id(name: str) -> bool:
    """Whether a model's name reads as 'owner/name', and not as a path."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/")


def bundled_folder(name: str) -> Path:
    """Where the package keeps the checkpoint of a bundled model."""
    return Path(str(resources.files("gptcore.backbones"))) / "pretrained" / name


def cached_checkpoint(name_or_path: str | Path) -> Path | None:
    """The checkpoint's folder if it can be opened without the network, else None. Downloads nothing."""
    name = str(name_or_path)
    if name in REGISTRY and REGISTRY[name].bundled:
        folder = bundled_folder(name)
    elif name not in REGISTRY and path_kind(name) == "folder":
        folder = Path(name)
    else:
        repo = _hub_repo(name)
        cached = None if repo is None else _cached_file(repo, "config.json")
        if cached is None:
            return None
        folder = cached.parent
    try:
        weight_files(folder)
    except UserError:
        return None
    return folder


def checkpoint_reachable(name_or_path: str | Path) -> bool:
    """Whether the hub answers that it has this checkpoint, within seconds. Downloads nothing."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    repo = _hub_repo(str(name_or_path))
    if repo is None:
        return False
    try:
        get_hf_file_metadata(hf_hub_url(repo, "config.json"), timeout=PROBE_LIMIT_S)
    # No network, no name server, a proxy's login page, offline mode, no such repository: all the same here.
    except Exception:
        return False
    return True


def download_bytes(name_or_path: str | Path) -> int | None:
    """Bytes of weights that a first use downloads: 0 where they are at hand, None where the hub does not say."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    if cached_checkpoint(name_or_path) is not None:
        return 0
    repo = _hub_repo(str(name_or_path))
    for file in WEIGHT_FILES if repo is not None else ():
        try:
            return get_hf_file_metadata(hf_hub_url(str(repo), file), timeout=PROBE_LIMIT_S).size
        except Exception:  # out of reach, or the checkpoint has the other file
            continue
    return None


def known_config(name_or_path: str | Path) -> ModelConfig | None:
    """The model's shape if it is known without the network, else None.

    Raises UserError if the checkpoint's `config.json` is none of a GPT-2.
    """
    name = str(name_or_path)
    if name in REGISTRY:
        return REGISTRY[name].config
    if path_kind(name) == "folder":
        return read_config(Path(name))
    folder = cached_checkpoint(name)
    return None if folder is None else read_config(folder)


def _hub_repo(name: str) -> str | None:
    if name in REGISTRY:
        return None if REGISTRY[name].bundled else REGISTRY[name].source
    return name if is_hub_id(name) else None


def _cached_file(repo: str, file: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repo, file)
    except HFValidationError:  # not a valid hub id
        return None
    return Path(found) if isinstance(found, str) else None


def _out_of_reach(repo: str) -> str | None:
    """Why the hub does not answer at all, asked twice and for seconds; None where it does, whatever it says."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    reason = None
    for _ in range(PROBES):
        try:
            get_hf_file_metadata(hf_hub_url(repo, "config.json"), timeout=PROBE_LIMIT_S)
        except HfHubHTTPError:
            return None
        except Exception as error:  # of whatever transport the hub's client has
            reason = _first_line(error)
        else:
            return None
    return reason


def _hub_folder(repo: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    # The hub's client would try for half a minute before it said the same.
    if (reason := _out_of_reach(repo)) is not None:
        if (cached := cached_checkpoint(repo)) is not None:
            return cached
        raise _cannot_be_had(repo, reason)
    try:
        config = hf_hub_download(repo, "config.json")
        try:
            hf_hub_download(repo, WEIGHT_FILES[0])
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            hf_hub_download(repo, WEIGHT_FILES[1])
    except (
        Exception
    ) as error:  # the hub's errors, the system's, and those of whatever transport the hub's client has
        raise _cannot_be_had(repo, _first_line(error)) from error
    return Path(config).parent


def _cannot_be_had(repo: str, reason: str) -> UserError:
    return UserError(
        f"weights of {repo!r} cannot be had: {reason} "
        "(remedy: connect to the hub, set HF_ENDPOINT to a mirror, or pass a local folder)"
    )


def _first_line(error: BaseException) -> str:
    # Where the hub answers with an error, its client says that there is no connection, and why only in the cause.
    if error.__cause__ is not None:
        return _first_line(error.__cause__)
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def read_config(folder: Path) -> ModelConfig:
    """ModelConfig from a Hugging Face `config.json`. Raises UserError if it is no GPT-2 config."""
    path = folder / "config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return ModelConfig(
            d_model=raw["n_embd"],
            n_layer=raw["n_layer"],
            n_head=raw["n_head"],
            context=raw.get("n_positions", raw.get("n_ctx", 1024)),
            vocab_size=raw["vocab_size"],
            layer_norm_epsilon=raw.get("layer_norm_epsilon", 1e-5),
            tie_output=raw.get("tie_word_embeddings", True),
            tokenizer=raw.get("tokenizer", "gpt2"),
        )
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} has no config.json: a checkpoint is a folder with that and model.safetensors"
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error).replace("\n", " ")
        raise UserError(f"{path} is not the config of a GPT-2 model: {reason}") from error
