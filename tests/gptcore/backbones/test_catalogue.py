"""The catalogue: names, sources and what a list shows of them; which names are models."""

import pytest

from gptcore.backbones.catalogue import CATALOGUE, TERMS, KnownModel
from gptcore.backbones.checkpoints import (
    KNOWN_NAMES,
    check_obtainable,
    checkpoint_folder,
    is_hub_id,
    is_known,
)
from gptcore.backbones.config import REGISTRY
from gptcore.backbones.convert.terms import accept_terms
from gptcore.errors import UserError

FILE = {"name": "a.txt", "sha256": "0" * 64, "n_bytes": 1, "members": ["p/a.txt"]}
WHEEL = {"requirement": "p==1.0", "sha256": "0" * 64, "n_bytes": 7}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_every_member_belongs_to_a_pinned_wheel_and_every_term_is_known():
    converted = {name: model for name, model in CATALOGUE.items() if model.convert}
    assert set(converted) == {"smollm2-135m", "gemma3-270m", "minilm-l6", "minilm-l3"}
    for model in converted.values():
        packages = {wheel.requirement.partition("==")[0].replace("-", "_").lower() for wheel in model.wheels}
        for file in model.files:
            for member in file.members:
                folder = member.partition("/")[0].replace("-", "_").lower()
                assert any(package.startswith(folder) for package in packages)
    assert {model.terms for model in CATALOGUE.values()} == {None, *TERMS}
    assert all("dequantised" in model.how for model in converted.values() if model.convert == "gguf")


def test_the_registrys_models_are_where_the_catalogue_says():
    for name, entry in REGISTRY.items():
        if entry.source != "bundled":
            assert entry.source == CATALOGUE[name].hub
            assert is_hub_id(entry.source)


def test_a_line_says_what_was_done_to_the_weights_and_how_much_is_downloaded():
    line = CATALOGUE["smollm2-135m"].line
    assert "Q4_1, dequantised" in line
    assert "Apache-2.0" in line
    assert line.endswith("93 MB to download")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "either hub or convert"),
        ({"hub": "a/b", "convert": "copy"}, "either hub or convert"),
        ({"convert": "copy"}, "files and wheels"),
        ({"convert": "copy", "files": [FILE]}, "files and wheels"),
        ({"hub": "a/b"}, "n_bytes is stated"),
        ({"convert": "copy", "files": [FILE], "wheels": [WHEEL], "n_bytes": 3}, "n_bytes is stated"),
        ({"convert": "copy", "files": [FILE | {"sha256": "abc"}], "wheels": [WHEEL]}, "sha256"),
        ({"convert": "copy", "files": [FILE | {"name": "../a"}], "wheels": [WHEEL]}, "name"),
        ({"convert": "copy", "files": [FILE], "wheels": [WHEEL | {"requirement": "p>=1"}]}, "requirement"),
    ],
)
def test_an_entry_that_is_not_whole_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        KnownModel.model_validate({"about": "a", "licence": "b"} | changes)


def test_known_names_and_revisions():
    assert {"nano", "gpt2", "smollm2-135m", "bert-base-uncased"} <= set(KNOWN_NAMES)
    for name in ("nano", "bert-base-uncased", "bert-base-uncased@v1", "gpt2@main", "smollm2-135m"):
        assert is_known(name), name
    for name in ("nano@v1", "smollm2-135m@v1", "bert", "owner/name"):
        assert not is_known(name), name
    for name in ("owner/name@refs/pr/1", "owner/name@v1"):
        assert is_hub_id(name), name
    for name in ("./a@b", "owner/name@", "a@b/c/d"):
        assert not is_hub_id(name), name
    with pytest.raises(
        UserError, match=r"model 'minilm-l6@v1' has no revisions, .*leave out what follows the @"
    ):
        checkpoint_folder("minilm-l6@v1")


def test_terms_have_to_be_accepted_once(cache):
    with pytest.raises(UserError) as caught:
        checkpoint_folder("gemma3-270m")
    message = str(caught.value)
    assert message.startswith(
        "gemma3-270m is under the Gemma Terms of Use (https://ai.google.dev/gemma/terms)"
    )
    assert message.endswith("--accept-licence gemma")
    assert "\n" not in message
    assert not (cache / "models").exists()
    check_obtainable("smollm2-135m")
    with pytest.raises(UserError, match="accept"):
        check_obtainable("gemma3-270m")
    (line,) = accept_terms(["gemma"])
    assert "Gemma Terms of Use" in line
    check_obtainable("gemma3-270m")


def test_unknown_terms_are_refused():
    with pytest.raises(UserError, match="--accept-licence 'llama': no terms of that name: use gemma"):
        accept_terms(["llama"])
