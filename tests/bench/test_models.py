"""Models by name through the commands: what `list`, `plan` and a report say of them, and bad input in one line."""

from pathlib import Path

import pytest

from bench.report.text import file_size
from bench.run.study_name import study_name
from gptcore.backbones import hub
from gptcore.backbones.catalogue import CATALOGUE
from gptcore.backbones.convert import cache as conversion


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder and cache; neither hub nor package index."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "is_reachable", lambda *_: False)
    monkeypatch.setattr("gptcore.backbones.convert.fetch.check_version", _gone)
    return tmp_path


def _gone(_requirement: str, _limit_s: float) -> None:
    raise OSError("no index")


@pytest.fixture
def data(here: Path) -> str:
    rows = "".join(f"{'good' if i % 2 else 'bad'},text number {i}\n" for i in range(60))
    (here / "toy.csv").write_text("label,text\n" + rows)
    return "toy.csv"


def bench(*arguments: str) -> int:
    """The exit code of a command."""
    from bench import cli

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["bench", *arguments])
        try:
            cli.main()
        except SystemExit as exit:
            return int(exit.code or 0)
    return 0


def test_list_shows_every_name_with_licence_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("list") == 0
    shown = capsys.readouterr().out
    for name, known in CATALOGUE.items():
        assert f"  {name} " in shown
        assert known.line in shown


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("gemma3-270m", "is under the Gemma Terms of Use"),
        ("nano@v1", "has no revisions"),
        ("minilm", "did you mean minilm-l6"),
        ("bert-base-uncased@", "ends with an @"),
    ],
)
def test_a_name_that_cannot_be_used_is_one_line(
    data: str, capsys: pytest.CaptureFixture[str], model: str, message: str
) -> None:
    assert bench("plan", "--data", data, "--models", model) == 2
    error = capsys.readouterr().err.replace("\n", " ")
    assert message in error


def test_a_missing_package_is_named_before_anything_is_fetched(
    data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptcore.extras.importlib.util.find_spec", lambda _name: None)
    assert bench("plan", "--data", data, "--models", "smollm2-135m") == 2
    assert "smollm2-135m needs gguf, which is not installed" in capsys.readouterr().err.replace("\n", " ")


def test_accepted_terms_are_remembered_and_nothing_is_downloaded(
    data: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gguf")
    plan = ("plan", "--data", data, "--matrix", "quick", "--seeds", "1", "--only", "last-layer", "--models")
    assert bench(*plan, "gemma3-270m", "--accept-licence", "gemma") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "accepted: Gemma Terms of Use" in shown
    assert bench(*plan, "gemma3-270m") == 0
    assert not (here / "cache" / "models").exists()
    assert bench(*plan, "gemma3-270m", "--accept-licence", "mit") == 2
    assert "no terms of that name" in capsys.readouterr().err


def test_plan_states_the_download(
    data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gguf")
    monkeypatch.setattr("gptcore.backbones.convert.fetch.check_version", lambda *_: None)
    monkeypatch.setattr(conversion, "fetch_files", _no_fetching)
    assert bench("plan", "--data", data, "--matrix", "quick", "--seeds", "1", "--models", "smollm2-135m") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "smollm2-135m: weights: Q4_1, dequantised" in shown
    assert "92.9 MB to download" in shown


def _no_fetching(*_: object) -> None:
    raise AssertionError("plan must not download")


def test_sizes_and_names_of_folders() -> None:
    assert [file_size(n) for n in (93_000_000, 1_520_000_000)] == ["93 MB", "1.52 GB"]
    assert study_name("full", ["bert-base-uncased"], "sms-spam", "fast") == "bert-base-uncased"
    assert study_name("full", ["owner/name@refs/pr/1"], "sms-spam", "fast") == "name@refs-pr-1"
