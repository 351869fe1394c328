"""Checkpoints on the Hugging Face hub: what is in its cache, what it answers, downloads. Imports no torch.

HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE work as their users expect. A repository is named "owner/name", or
"owner/name@revision" for a branch, a tag or a commit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from gptcore.backbones.checkpoint_files import (
    ADDED_TOKENS,
    CONFIG_FILE,
    INDEX_SUFFIX,
    MERGES,
    OTHER_VOCABULARIES,
    TOKENIZER,
    TOKENIZER_CONFIG,
    TOKENIZER_SPECIALS,
    VOCAB,
    WEIGHT_FILES,
    WEIGHT_SOURCES,
    read_json,
    shard_names,
    weight_files,
)
from gptcore.errors import UserError, first_line

PROBES = 2  # a single connection may be cut off
PROBE_LIMIT_S = 5.0  # how long to wait for an answer of the hub before it counts as out of reach


def split_revision(name: str) -> tuple[str, str | None]:
    """From "owner/name@revision" to its parts; None for what the hub calls main."""
    repo, _, revision = name.partition("@")
    return repo, revision or None


def cached_folder(repo: str, with_tokenizer: bool = True) -> Path | None:
    """The folder of a checkpoint that is complete in the hub's cache, else None.

    with_tokenizer: complete means that every file of the tokenizer is there, or is known not to exist.
    """
    repo, revision = split_revision(repo)
    config = _in_cache(repo, CONFIG_FILE, revision)
    if not isinstance(config, Path):
        return None
    folder = config.parent

    def has(file: str) -> bool:
        found = _in_cache(repo, file, folder.name)
        if found is None:
            raise LookupError(file)
        return isinstance(found, Path)

    try:
        weight_files(folder)
        if with_tokenizer:
            _ask_for_tokenizer(has)
    except (UserError, LookupError):
        return None
    return folder


def download(repo: str, with_tokenizer: bool = True) -> Path:
    """The folder of a checkpoint in the hub's cache, after a download where something is missing.

    All files are of one commit. Raises UserError where the hub does not have it or does not answer, and it is not
    in the cache.
    """
    from huggingface_hub import hf_hub_download

    # The hub's client would try for half a minute before it said the same.
    if (reason := _out_of_reach(repo)) is not None:
        if (cached := cached_folder(repo, with_tokenizer)) is not None:
            return cached
        raise _not_available(repo, reason)
    name, revision = split_revision(repo)
    try:
        folder = Path(hf_hub_download(name, CONFIG_FILE, revision=revision)).parent
        fetch = partial(_fetch, name, folder.name)
        _fetch_weights(fetch, folder, repo)
        if with_tokenizer:
            _ask_for_tokenizer(fetch)
    except UserError:
        raise
    except Exception as error:  # the hub's, the system's, and those of whatever transport the client has
        raise _refusal(repo, error) from error
    return folder


def download_file(repo: str, file: str) -> Path:
    """One file of a repository in the hub's cache. Raises UserError with the reason alone."""
    from huggingface_hub import hf_hub_download

    name, revision = split_revision(repo)
    if isinstance(found := _in_cache(name, file, revision), Path):
        return found
    if (reason := _out_of_reach(repo, file)) is not None:
        raise UserError(reason)
    try:
        return Path(hf_hub_download(name, file, revision=revision))
    except Exception as error:  # as above
        raise UserError(_refused(repo, error) or _reason(error)) from error


def commit_of(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache is of; None where it is not one of the hub's."""
    return folder.name if folder.parent.name == "snapshots" else None


def config_folder(repo: str) -> Path | None:
    """The cached folder with a checkpoint's config.json, fetched if need be; None where the hub does not give it."""
    from huggingface_hub import hf_hub_download

    repo, revision = split_revision(repo)
    if isinstance(found := _in_cache(repo, CONFIG_FILE, revision), Path):
        return found.parent
    if _out_of_reach(repo if revision is None else f"{repo}@{revision}") is not None:
        return None
    try:
        return Path(hf_hub_download(repo, CONFIG_FILE, revision=revision)).parent
    except Exception:  # the hub's, the system's, and those of whatever transport the client has
        return None


def is_reachable(repo: str, file: str = CONFIG_FILE) -> bool:
    """Whether the hub answers that it has this checkpoint, or file, within seconds. Downloads nothing."""
    from huggingface_hub import get_hf_file_metadata

    try:
        get_hf_file_metadata(_url(repo, file), timeout=PROBE_LIMIT_S)
    # No network, no name server, a proxy's login page, offline mode, no such repository: all the same here.
    except Exception:
        return False
    return True


def weight_bytes(repo: str) -> int | None:
    """Bytes of the weights as the hub states them; None where it does not, or where they are in shards."""
    from huggingface_hub import get_hf_file_metadata

    for file in WEIGHT_FILES:
        try:
            return get_hf_file_metadata(_url(repo, file), timeout=PROBE_LIMIT_S).size
        except Exception:  # out of reach, or the checkpoint has the other file
            continue
    return None


def _ask_for_tokenizer(has: Callable[[str], bool]) -> None:
    """Ask for each file of a tokenizer that matters: tokenizer.json holds all that the older files hold."""
    for file in (TOKENIZER_CONFIG, TOKENIZER_SPECIALS):
        has(file)
    if not has(TOKENIZER):
        for file in (VOCAB, MERGES, ADDED_TOKENS, *OTHER_VOCABULARIES):
            has(file)


def _fetch_weights(fetch: Callable[[str], bool], folder: Path, repo: str) -> None:
    for file in WEIGHT_SOURCES:
        if fetch(file):
            if file.endswith(INDEX_SUFFIX):
                for shard in shard_names(read_json(folder / file), f"{repo}/{file}"):
                    if not fetch(shard):
                        raise UserError(f"{repo} has no {shard}, which its {file} names")
            return
    raise _not_available(repo, f"it has none of {', '.join(WEIGHT_SOURCES)}")


def _fetch(repo: str, commit: str, file: str) -> bool:
    """Whether the checkpoint has a file, which is in the cache afterwards."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    if (found := _in_cache(repo, file, commit)) is not None:
        return isinstance(found, Path)
    try:
        hf_hub_download(repo, file, revision=commit)
    except LocalEntryNotFoundError:
        raise
    except EntryNotFoundError:
        return False
    return True


def _in_cache(repo: str, file: str, commit: str | None = None) -> Path | bool | None:
    """Where the hub's cache has a file; False where it knows that there is none, None where it does not know."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repo, file, revision=commit)
    except HFValidationError:  # not a valid hub id
        return None
    if found is None:
        return None
    return Path(found) if isinstance(found, str) else False


def _url(repo: str, file: str) -> str:
    from huggingface_hub import hf_hub_url

    name, revision = split_revision(repo)
    return str(hf_hub_url(name, file, revision=revision))


def _out_of_reach(repo: str, file: str = CONFIG_FILE) -> str | None:
    """Why the hub does not answer at all, asked twice and for seconds; None where it does, whatever it says."""
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.errors import HfHubHTTPError

    reason = None
    for _ in range(PROBES):
        try:
            get_hf_file_metadata(_url(repo, file), timeout=PROBE_LIMIT_S)
        except HfHubHTTPError:
            return None
        except Exception as error:  # of whatever transport the hub's client has
            reason = _reason(error)
        else:
            return None
    return reason


def _not_available(repo: str, reason: str) -> UserError:
    return UserError(
        f"could not load weights for {repo!r}: {reason} "
        "(remedy: connect to the hub, set HF_ENDPOINT to a mirror, or pass a local folder)"
    )


def _refusal(repo: str, error: Exception) -> UserError:
    """What to say where the hub answers and does not give a checkpoint."""
    if (refused := _refused(repo, error)) is not None:
        return UserError(f"could not load weights for {repo!r}: {refused}")
    return _not_available(repo, _reason(error))


def _refused(repo: str, error: Exception) -> str | None:
    """Why the hub has it not, or does not give it to this user, with the remedy; None for other troubles."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    name, revision = split_revision(repo)
    match error:
        case GatedRepoError():
            return f"it is gated: accept its terms on the page of {name} on the hub, and set HF_TOKEN"
        case RevisionNotFoundError():
            return f"it has no revision {revision!r}: leave it out, or name a branch, a tag or a commit that is there"
        case RepositoryNotFoundError():
            return f"the hub has no {name}, or shows it to its owners only: check the name, or set HF_TOKEN"
        case _:
            return None


def _reason(error: BaseException) -> str:
    # Where the hub answers with an error, its client says that there is no connection, and why only in the cause.
    if error.__cause__ is not None:
        return _reason(error.__cause__)
    return first_line(error)
