"""Data sets on the Hugging Face hub, read from their Parquet files. HF_ENDPOINT, HF_HOME and offline flags work.

`hub:NAME[:CONFIG][@REVISION]`, such as hub:stanfordnlp/imdb or hub:nyu-mll/glue:sst2@refs/convert/parquet. Where a
repository has no Parquet of its own, the hub's conversion of it is read (revision refs/convert/parquet).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from gptcore.data.assets import cache_dir, digest
from gptcore.data.columns import choose_columns
from gptcore.data.named.base import HubTable, Labelled
from gptcore.data.options import HUB_PREFIX, ReadOptions
from gptcore.data.structured import read_parquet
from gptcore.data.tables import PARTS, Table, finished, read_table
from gptcore.errors import UserError
from gptcore.files import write_whole

CONVERTED = "refs/convert/parquet"
HIDDEN = "-1"  # the label by which the hub hides the labels of test parts
LIMIT_S = 10.0  # for an answer of the hub
_SHARD = re.compile(r"(?P<part>[A-Za-z]\w*?)-\d+-of-\d+(-\w+)?\.parquet")
_NAME = re.compile(HUB_PREFIX + r"(?P<repo>[^:@\s]+)(?::(?P<config>[^@\s]+))?(?:@(?P<revision>\S+))?")


class HubName(NamedTuple):
    """What stands behind `hub:`."""

    repo: str
    config: str | None = None
    revision: str | None = None


class _Files(NamedTuple):
    """Parquet files of one commit, by part, in order."""

    commit: str
    parts: dict[str, list[str]]


def parse_hub_name(text: str) -> HubName:
    """From "hub:owner/name:config@revision". Raises UserError."""
    if (match := _NAME.fullmatch(text)) is None:
        raise UserError(f"--data {text!r}: write hub:NAME, hub:NAME:CONFIG or hub:NAME@REVISION")
    return HubName(match["repo"], match["config"], match["revision"])


def read_hub(source: HubTable) -> Labelled:
    """A data set with a name, from the hub. Raises UserError as `read_hub_table` does."""
    options = ReadOptions(text_column=source.text, label_column=source.label)
    table = read_hub_table(HubName(source.repo), options, source.parts)
    return Labelled(table.texts, table.labels, table.parts, table.notes)


def read_hub_table(name: HubName, options: ReadOptions, wanted: Mapping[str, str] | None = None) -> Table:
    """The parts as one table, with remarks that name the commit. wanted: see `hub_files`. Raises UserError."""
    files, notes = hub_files(name, options, wanted)
    return finished(_joined([(part, read_table(path, options)) for part, path in files], notes), options)


def hub_files(
    name: HubName, options: ReadOptions, wanted: Mapping[str, str] | None = None
) -> tuple[list[tuple[str, Path]], list[str]]:
    """(part, file in the hub's cache) in order, and remarks that name the commit.

    wanted: the hub's part -> ours; None: as called there. Raises UserError where the hub does not have it, or does not
    answer and it is not in its cache, and for options that name parts, which the hub does.
    """
    for option in ("validation", "test", "split_column"):
        if getattr(options, option) is not None:
            raise UserError(
                f"hub:{name.repo}: its own parts are used: leave out --{option.replace('_', '-')}, or pass its files "
                "with --data"
            )
    files = _list_files(name)
    names = dict(wanted) if wanted else {part: PARTS[part] for part in files.parts if part in PARTS}
    for part in names:
        if part not in files.parts:
            raise UserError(f"hub:{name.repo} has no part {part}, only {', '.join(files.parts)}")
    notes = [f"hub:{name.repo} at commit {files.commit}"]
    paths = {part: [_download(name.repo, file, files.commit) for file in files.parts[part]] for part in names}
    for part, ours in list(names.items()):
        if ours == "test" and "validation" in names.values() and _are_hidden(paths[part], options):
            notes.append(f"the labels of its part {part} are hidden")
            del names[part]
    if "validation" in names.values() and "test" not in names.values():
        notes.append("its validation part is the test part here")
        names = {part: "test" if ours == "validation" else ours for part, ours in names.items()}
    if unread := sorted(set(files.parts) - set(names)):
        notes.append(f"parts that are not read: {', '.join(unread)}")
    return [(ours, path) for part, ours in names.items() for path in paths[part]], notes


def _joined(tables: Sequence[tuple[str, Table]], notes: Sequence[str]) -> Table:
    """Tables of parts as one; without a test part none is given."""
    given = "test" in {part for part, _ in tables}
    places = [table.place(at) for _, table in tables for at in range(len(table.texts))]
    return Table(
        texts=[text for _, table in tables for text in table.texts],
        labels=[label for _, table in tables for label in table.labels],
        place=places.__getitem__,
        parts=[part for part, table in tables for _ in table.texts] if given else None,
        groups=(
            None
            if tables[0][1].groups is None
            else [group for _, table in tables for group in table.groups or ()]
        ),
        class_names=tables[0][1].class_names,
        notes=tuple(dict.fromkeys([*notes, *(note for _, table in tables for note in table.notes)])),
        warnings=tuple(dict.fromkeys(warning for _, table in tables for warning in table.warnings)),
    )


def _are_hidden(paths: Sequence[Path], options: ReadOptions) -> bool:
    """Whether no row of a part has its label."""
    for path in paths:
        raw = read_parquet(path, path.read_bytes())
        if any(str(cell) != HIDDEN for cell in raw.cells(choose_columns(path, raw, options).label)):
            return False
    return True


def _list_files(name: HubName) -> _Files:
    """The Parquet files of a repository, or as they were listed when it was read before and the hub is out of reach."""
    spec = f"{name.repo}:{name.config or ''}@{name.revision or ''}"
    kept = cache_dir() / "hub" / f"{digest(spec.encode())}.json"
    try:
        files = _ask_hub(name)
    except UserError:
        raise
    except Exception as error:  # the hub's, the system's, and those of whatever transport the client has
        try:
            stored = json.loads(kept.read_text(encoding="utf-8"))
            return _Files(str(stored["commit"]), dict(stored["parts"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"hub:{name.repo}: the hub does not answer, and it is not in the cache ({reason}): go online, set "
            "HF_ENDPOINT to a mirror, or pass its files with --data"
        ) from error
    write_whole(kept, json.dumps(files._asdict()))
    return files


def _ask_hub(name: HubName) -> _Files:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    revisions = [name.revision] if name.revision else [None, CONVERTED]
    for revision in revisions:
        try:
            info = HfApi().dataset_info(name.repo, revision=revision, timeout=LIMIT_S)
        except RevisionNotFoundError as error:
            if name.revision:
                raise UserError(f"hub:{name.repo} has no revision {name.revision}: leave it out") from error
            continue
        except RepositoryNotFoundError as error:
            raise UserError(
                f"the hub has no data set {name.repo}, or it needs a login (HF_TOKEN): check its name"
            ) from error
        found = [each.rfilename for each in info.siblings or [] if each.rfilename.endswith(".parquet")]
        if found:
            return _Files(str(info.sha), _by_part(name, found))
    raise UserError(f"hub:{name.repo} has no Parquet files: download it, and pass its files with --data")


def _by_part(name: HubName, files: Sequence[str]) -> dict[str, list[str]]:
    """Part -> files in order, of one configuration. Raises UserError where there are several to choose from."""
    configs: dict[str, dict[str, list[str]]] = {}
    for file in sorted(files):
        path = PurePosixPath(file)
        shard = _SHARD.fullmatch(path.name)
        folders = [folder for folder in path.parent.parts if folder != "data"]
        # train-00000-of-00001.parquet in the folder of its configuration, or as the hub converts: config/train/0000
        part = shard["part"] if shard else folders.pop() if folders else path.stem
        configs.setdefault("/".join(folders) or "default", {}).setdefault(part, []).append(file)
    chosen = name.config or (next(iter(configs)) if len(configs) == 1 else "default")
    if chosen not in configs:
        raise UserError(
            f"hub:{name.repo} has the configurations {', '.join(configs)}: name one, as in "
            f"hub:{name.repo}:{next(iter(configs))}"
        )
    return configs[chosen]


def _download(repo: str, file: str, commit: str) -> Path:
    """A file of that commit in the hub's cache."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo, file, repo_type="dataset", revision=commit))
    except Exception as error:  # as above
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"hub:{repo}: {file} could not be downloaded ({reason}): try again") from error
