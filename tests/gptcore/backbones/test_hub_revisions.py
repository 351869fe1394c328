"""Revisions of a checkpoint, what the hub refuses, and single files: for real, against a hub on this machine."""

from pathlib import Path

import pytest

from gptcore.backbones.catalogue import CATALOGUE
from gptcore.backbones.checkpoints import (
    checkpoint_folder,
    checkpoint_reachable,
    download_bytes,
    weights_revision,
    weights_source,
)
from gptcore.backbones.fingerprint import checkpoint_files
from tests.gptcore.backbones.fake_hub import COMMIT, FakeHub, Visitor


def test_a_revision_is_downloaded_and_kept_apart(hub: FakeHub, visitor: Visitor, tmp_path: Path) -> None:
    hub.add("owner/toy", "model.safetensors")
    hub.revisions |= {"v1", "refs/pr/1"}
    folder = Path(visitor.open(hub.url, tmp_path, "owner/toy@v1"))
    assert folder.name == COMMIT
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert ("HEAD", "/owner/toy/resolve/v1/config.json") in hub.asked
    assert Path(visitor.open(hub.url, tmp_path, "owner/toy@v1", offline=True)) == folder
    assert "could not load weights" in visitor.open(hub.url, tmp_path, "owner/toy@v2", offline=True)


def test_a_revision_that_is_gone_is_one_line(hub: FakeHub, visitor: Visitor, tmp_path: Path) -> None:
    hub.add("owner/toy", "model.safetensors")
    told = visitor.open(hub.url, tmp_path, "owner/toy@gone")
    assert told == (
        "UserError: could not load weights for 'owner/toy@gone': it has no revision 'gone': leave it out, or name a "
        "branch, a tag or a commit that is there"
    )


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (
            403,
            "GatedRepo",
            "it is gated: accept its terms on the page of owner/toy on the hub, and set HF_TOKEN",
        ),
        (401, "RepoNotFound", "the hub has no owner/toy, or shows it to its owners only"),
    ],
)
def test_what_the_hub_does_not_give_is_one_line_with_the_remedy(
    hub: FakeHub, visitor: Visitor, tmp_path: Path, status: int, code: str, reason: str
) -> None:
    hub.add("owner/toy", "model.safetensors")
    hub.refusals["owner/toy"] = (status, code)
    told = visitor.open(hub.url, tmp_path, "owner/toy")
    assert told.startswith(f"UserError: could not load weights for 'owner/toy': {reason}")
    assert "\n" not in told


def test_names_of_the_catalogue_lead_to_their_repository(
    hub: FakeHub, visitor: Visitor, tmp_path: Path
) -> None:
    known = {name: model.hub for name, model in CATALOGUE.items() if model.hub}
    for repo in known.values():
        hub.add(repo, "model.safetensors")
    visitor.use(hub.url, tmp_path)
    folders = [checkpoint_folder(name) for name in known]
    for repo, folder in zip(known.values(), folders, strict=True):
        assert folder.is_relative_to(tmp_path / "hub" / f"models--{repo.replace('/', '--')}")


def test_the_facts_of_a_record_name_the_commit_and_every_file(
    hub: FakeHub, visitor: Visitor, tmp_path: Path
) -> None:
    hub.add("owner/toy", "model.safetensors")
    hub.revisions.add("v1")
    visitor.use(hub.url, tmp_path)
    name = "owner/toy@v1"
    before = [download_bytes(name), checkpoint_reachable(name), weights_revision(name)]
    checkpoint_folder(name)
    assert before == [7, True, None]
    assert weights_source(name) == "owner/toy@v1"
    assert weights_revision(name) == COMMIT
    assert download_bytes(name) == 0
    digests = checkpoint_files(name)
    assert set(digests) == {"model.safetensors", "config.json"}
    assert all(len(digest) == 64 for digest in digests.values())
