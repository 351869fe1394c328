"""Revisions of a checkpoint, what the hub refuses, and single files: for real, against a hub on this machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptcore.backbones.catalogue import CATALOGUE
from tests.gptcore.backbones.fake_hub import COMMIT, FakeHub, open_elsewhere, run_elsewhere


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    running = FakeHub()
    yield running
    running.close()


def test_a_revision_is_downloaded_and_kept_apart(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("owner/toy", "model.safetensors")
    hub.revisions |= {"v1", "refs/pr/1"}
    folder = Path(open_elsewhere(hub, tmp_path, "owner/toy@v1"))
    assert folder.name == COMMIT
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert ("HEAD", "/owner/toy/resolve/v1/config.json") in hub.asked
    assert Path(open_elsewhere(hub, tmp_path, "owner/toy@v1", HF_HUB_OFFLINE="1")) == folder
    assert "could not load weights" in open_elsewhere(hub, tmp_path, "owner/toy@v2", HF_HUB_OFFLINE="1")


def test_a_revision_that_is_gone_is_one_line(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("owner/toy", "model.safetensors")
    told = open_elsewhere(hub, tmp_path, "owner/toy@gone")
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
    hub: FakeHub, tmp_path: Path, status: int, code: str, reason: str
) -> None:
    hub.add("owner/toy", "model.safetensors")
    hub.refusals["owner/toy"] = (status, code)
    told = open_elsewhere(hub, tmp_path, "owner/toy")
    assert told.startswith(f"UserError: could not load weights for 'owner/toy': {reason}")
    assert "\n" not in told


def test_names_of_the_catalogue_lead_to_their_repository(hub: FakeHub, tmp_path: Path) -> None:
    known = {name: model.hub for name, model in CATALOGUE.items() if model.hub}
    for repo in known.values():
        hub.add(repo, "model.safetensors")
    code = (
        "import json, sys\n"
        "from gptcore.backbones.checkpoints import checkpoint_folder\n"
        "print(json.dumps([str(checkpoint_folder(name)) for name in sys.argv[1:]]))\n"
    )
    folders = json.loads(run_elsewhere(hub, tmp_path, code, *known))
    for repo, folder in zip(known.values(), folders, strict=True):
        assert Path(folder).is_relative_to(tmp_path / "hub" / f"models--{repo.replace('/', '--')}")


def test_the_facts_of_a_record_name_the_commit_and_every_file(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("owner/toy", "model.safetensors")
    hub.revisions.add("v1")
    code = (
        "import json\n"
        "from gptcore.backbones import checkpoints as c, fingerprint as f\n"
        "name = 'owner/toy@v1'\n"
        "before = [c.download_bytes(name), c.checkpoint_reachable(name), c.weights_revision(name)]\n"
        "c.checkpoint_folder(name)\n"
        "after = [c.weights_source(name), c.weights_revision(name), c.download_bytes(name), f.checkpoint_files(name)]\n"
        "print(json.dumps([before, after]))\n"
    )
    before, after = json.loads(run_elsewhere(hub, tmp_path, code))
    assert before == [7, True, None]
    assert after[:3] == ["owner/toy@v1", COMMIT, 0]
    assert set(after[3]) == {"model.safetensors", "config.json"}
    assert all(len(digest) == 64 for digest in after[3].values())
