"""Where a model's checkpoint lies: bundled with the package, in a local folder, or on the Hugging Face hub.

Imports no torch, so that planning can say what is at hand without loading it.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from gptcore.backbones import hub
from gptcore.backbones.catalogue import CATALOGUE
from gptcore.backbones.checkpoint_files import WEIGHT_FILES, is_file, is_folder, weight_files
from gptcore.backbones.config import REGISTRY, ModelConfig
from gptcore.backbones.convert.cache import (
    AS_PUBLISHED,
    cached_conversion,
    check_fetchable,
    conversion_of,
    converted_folder,
)
from gptcore.backbones.convert.fetch import is_reachable
from gptcore.backbones.model_info import AnyConfig, read_info
from gptcore.backbones.safetensors_header import read_headers
from gptcore.backbones.tensor_names import match_tensors
from gptcore.errors import UserError
from gptcore.paths import path_kind

# Names by which people call checkpoints whose id has an owner.
OWNERS = {
    "distilgpt2": "distilbert/distilgpt2",
    "DialoGPT-small": "microsoft/DialoGPT-small",
    "DialoGPT-medium": "microsoft/DialoGPT-medium",
    "german-gpt2": "dbmdz/german-gpt2",
}
PROBE_LIMIT_S = 10.0  # how long a package index has to answer
KNOWN_NAMES = tuple(dict.fromkeys([*REGISTRY, *CATALOGUE]))


def checkpoint_folder(name_or_path: str | Path) -> Path:
    """The local folder of a checkpoint; hub checkpoints are downloaded through huggingface_hub, others converted.

    HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE work as its users expect. Raises UserError.
    """
    name = str(name_or_path)
    if _is_converted(name):
        return converted_folder(name)
    if (repo := hub_repo(name)) is not None:
        return hub.download(repo, has_own_tokenizer(name))
    if name in REGISTRY:
        folder = bundled_folder(name)
        if not is_file(folder / WEIGHT_FILES[0]):
            raise UserError(f"model {name!r}: no pretrained weights in {folder}; use weights = 'random'")
        return folder
    if path_kind(name) == "folder":
        return Path(name)
    raise UserError(f"model {name!r} {not_a_model(name)}")


def is_known(name: str) -> bool:
    """Whether a model is known by name; those of the hub may have a revision behind an @."""
    base, revision = hub.split_revision(name)
    return base in KNOWN_NAMES and (name == base or (revision is not None and hub_repo(name) is not None))


def is_hub_id(name: str) -> bool:
    """Whether a model's name reads as 'owner/name' or 'owner/name@revision', and not as a path."""
    repo, _ = hub.split_revision(name)
    return repo.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith(("/", "@"))


def is_local_folder(name: str) -> bool:
    """Whether a model's name means a folder on this machine."""
    return not is_known(name) and is_folder(name)


def folder_label(path: str) -> str:
    """Of a checkpoint's folder the name and a digest of the whole path, as many checkpoints are called "final"."""
    whole = Path(path).resolve()
    return f"{whole.name}-{hashlib.sha256(str(whole).encode()).hexdigest()[:6]}"


def not_a_model(name: str) -> str:
    """Why a name is not a model, and what to write instead."""
    if is_file(name):
        return f"is a file: name the folder that holds it, {Path(name).parent}"
    if name.endswith("@"):
        return "ends with an @: name a revision behind it, or leave it out"
    if hub.split_revision(name)[0] in KNOWN_NAMES:
        return "has no revisions, as its files are known: leave out what follows the @"
    if name in OWNERS:
        return f"has no owner: write {OWNERS[name]!r}"
    return f"is neither a known name ({', '.join(KNOWN_NAMES)}) nor a folder nor a hub id 'owner/name'"


def bundled_folder(name: str) -> Path:
    """Where the package keeps the checkpoint of a bundled model."""
    return Path(str(resources.files("gptcore.backbones"))) / "pretrained" / name


def cached_checkpoint(name_or_path: str | Path) -> Path | None:
    """The checkpoint's folder if it can be opened without the network, else None. Downloads nothing."""
    name = str(name_or_path)
    if _is_converted(name):
        return cached_conversion(name)
    if (repo := hub_repo(name)) is not None:
        return hub.cached_folder(repo, has_own_tokenizer(name))
    folder = bundled_folder(name) if name in REGISTRY else Path(name)
    try:
        weight_files(folder)
    except UserError:
        return None
    return folder


def known_folder(name_or_path: str | Path) -> Path | None:
    """A local folder, whatever it lacks, or the folder of a complete checkpoint at hand; else None."""
    name = str(name_or_path)
    return Path(name) if is_local_folder(name) else cached_checkpoint(name)


def check_checkpoint(name_or_path: str | Path) -> tuple[str, ...]:
    """What the loading of a checkpoint at hand will leave out, a line each, as far as its headers tell.

    Nothing is said of a checkpoint that is not on this machine, and of `.bin` files. Raises UserError where a local
    folder has no weights, or where tensors do not fit the config.
    """
    folder = known_folder(name_or_path)
    if folder is None:
        return ()
    config, files = read_info(folder), weight_files(folder)
    # The tensors of other architectures are for `transformers` to match, once they are read.
    if files[0].suffix != ".safetensors" or not isinstance(config, ModelConfig):
        return ()
    return match_tensors(read_headers(files), config, str(folder)).notes


def checkpoint_reachable(name_or_path: str | Path) -> bool:
    """Whether the hub, or the package index, answers that it has this model, within seconds. Downloads nothing."""
    name = str(name_or_path)
    if _is_converted(name):
        return is_reachable(CATALOGUE[name], PROBE_LIMIT_S)
    repo = hub_repo(name)
    return repo is not None and hub.is_reachable(repo)


def download_bytes(name_or_path: str | Path) -> int | None:
    """Bytes of weights that a first use downloads: 0 where they are at hand, None where the hub does not say."""
    name = str(name_or_path)
    if cached_checkpoint(name) is not None:
        return 0
    if _is_converted(name):
        return CATALOGUE[name].download_bytes
    repo = hub_repo(name)
    return None if repo is None else hub.weight_bytes(repo)


def known_config(name_or_path: str | Path) -> AnyConfig | None:
    """The model's shape if it is known without the network, else None.

    Raises UserError if the checkpoint's `config.json` asks for what is not supported.
    """
    name = str(name_or_path)
    if name in REGISTRY:
        return REGISTRY[name].config
    folder = known_folder(name)
    return None if folder is None else read_info(folder)


def hub_config(name: str) -> AnyConfig | None:
    """The shape of a model of the hub from its config.json alone, which is fetched if need be; None out of reach."""
    repo = hub_repo(name)
    folder = None if repo is None else hub.config_folder(repo)
    return None if folder is None else read_info(folder)


def check_obtainable(name: str) -> None:
    """Raises UserError where the user has to accept terms or install a package before a model can be fetched."""
    if _is_converted(name):
        check_fetchable(name)


def weights_source(name: str) -> str:
    """What a record calls the source of a model's weights: 'bundled', a hub id, packages, or a folder's name."""
    folder = known_folder(name)
    if folder is not None and (made := conversion_of(folder)) is not None:
        return f"{next(iter(made['files'].values()))['source']} ({made['how']})"
    if name in REGISTRY:
        return REGISTRY[name].source
    return hub_repo(name) or Path(name).name


def weights_revision(name: str) -> str | None:
    """The commit of the hub that a model's files are of; None for other models, and those not on this machine."""
    folder = cached_checkpoint(name) if hub_repo(name) is not None else None
    return None if folder is None else hub.commit_of(folder)


def weights_note(name: str) -> str | None:
    """What the weights went through since they were published, where that is known; None for most models."""
    folder = known_folder(name)
    made = conversion_of(folder) if folder is not None else None
    how = str(made["how"]) if made is not None else CATALOGUE[name].how if name in CATALOGUE else ""
    return f"weights: {how}" if how and how != AS_PUBLISHED else None


def _is_converted(name: str) -> bool:
    return name in CATALOGUE and CATALOGUE[name].convert is not None


def hub_repo(name: str) -> str | None:
    """The hub id behind a model's name, @revision included; None for what is not of the hub."""
    base, revision = hub.split_revision(name)
    if base in KNOWN_NAMES:
        repo = CATALOGUE[base].hub if base in CATALOGUE else None
        return repo if repo is None or revision is None else f"{repo}@{revision}"
    return name if is_hub_id(name) and not is_folder(name) else None


def has_own_tokenizer(name: str) -> bool:
    """Whether a model is opened with its tokenizer's files: those of the registry have theirs by name."""
    return name not in {*REGISTRY, *(entry.source for entry in REGISTRY.values())}
