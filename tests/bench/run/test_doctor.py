"""The doctor: finds what is wrong, says the remedy, writes nothing, and ends with the right exit code."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import cli
from bench.run import doctor
from bench.run.doctor import Check
from gptcore.data.assets import SMS_SPAM
from gptcore.data.named import NAMED
from gptcore.engine import engine

MESSAGES = "ham\tsee you at {0}\nspam\twin {0} prizes now\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and cache, no network, no timing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "unreachable", lambda _source: "no network")
    monkeypatch.setattr(doctor, "checkpoint_reachable", lambda _name: False)
    monkeypatch.setattr(engine, "product_seconds", lambda *_: 0.001)
    return tmp_path


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all that is fetched were in the cache; the study is left out."""
    monkeypatch.setattr(doctor, "holds", lambda _path, _asset: True)
    monkeypatch.setattr(doctor, "_study", lambda _models: iter([Check("run --matrix full", "ok", "")]))


def found(name: str, checks: list[Check] | None = None) -> list[Check]:
    return [check for check in (checks or list(doctor.examine())) if check.name == name]


def statuses(name: str) -> set[str]:
    return {check.status for check in found(name)}


@pytest.mark.usefixtures("cached")
def test_a_good_machine_has_no_problem_and_nothing_is_written(here: Path) -> None:
    checks = list(doctor.examine())
    assert [check for check in checks if check.status == "problem"] == []
    assert all(check.remedy for check in checks if check.status == "warning")
    assert list(here.iterdir()) == []
    names = {check.name for check in checks}
    assert {
        "machine",
        "speed",
        "versions",
        "code",
        "memory",
        "results",
        "cache",
        "data",
        "source",
        "weights",
    } <= names


def test_without_network_and_cache_the_data_are_a_problem(here: Path) -> None:
    sources = found("source")
    problems = [check for check in sources if check.status == "problem"]
    assert len(problems) == len(SMS_SPAM.sources)  # GPT-2's vocabulary is not needed by every study
    assert all(str(here / "cache" / SMS_SPAM.name) in check.remedy for check in problems)
    assert "first download" in found("run --matrix full")[0].finding
    assert list(here.iterdir()) == []


def test_one_source_that_answers_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    last = {id(asset.sources[-1]) for asset in doctor.ASSETS}
    monkeypatch.setattr(doctor, "unreachable", lambda s: None if id(s) in last else "no network")
    assert statuses("source") == {"ok", "warning"}


@pytest.mark.usefixtures("cached")
def test_a_source_that_is_not_needed_is_no_limit_and_not_called_ok() -> None:
    sources = found("source")
    assert {check.status for check in sources} == {"note"}
    assert all("not reachable (no network); not needed" in check.finding for check in sources)


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize(("free", "status"), [(10**8, "problem"), (10**9, "warning"), (10**11, "ok")])
def test_memory(free: int, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "free_memory_bytes", lambda: free)
    assert statuses("memory") == {status}


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize(("free", "status"), [(10**6, "problem"), (10**9, "warning"), (10**11, "ok")])
def test_disk(free: int, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=free))
    assert statuses("results") == statuses("cache") == {status}


@pytest.mark.usefixtures("cached")
def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    assert statuses("results") == {"problem"}
    assert "--out" in found("results")[0].remedy


@pytest.mark.usefixtures("cached")
def test_a_package_that_is_too_old_or_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "requires", lambda _: ["torch>=99", "no-such-package>=1", 'ruff; extra == "dev"']
    )
    (check,) = found("versions")
    assert check.status == "problem"
    assert "torch is" in check.finding
    assert ">=99 is needed" in check.finding
    assert "no-such-package is missing" in check.finding
    assert "ruff" not in check.finding


def test_a_damaged_file_in_the_cache(here: Path) -> None:
    (here / "cache").mkdir()
    (here / "cache" / SMS_SPAM.name).write_text("not it")
    (check,) = found("data")
    assert (check.status, "is damaged" in check.finding) == ("warning", True)


def test_what_the_study_would_do(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other messages in the cache than the real ones; their checks are left out."""
    monkeypatch.setitem(NAMED, "sms-spam", replace(NAMED["sms-spam"], sizes={"": 60}))
    lines = "".join(MESSAGES.format(hour) for hour in range(30))
    (here / "cache").mkdir()
    (here / "cache" / SMS_SPAM.name).write_text(lines)
    monkeypatch.setattr(doctor, "holds", lambda _path, asset: asset is SMS_SPAM)
    monkeypatch.setattr("gptcore.data.assets.holds", lambda _path, _asset: True)
    (check,) = found("run --matrix full")
    assert check.status == "ok"
    assert "running on bundled" in check.finding
    assert "results/bundled" in check.finding
    assert not (here / "results").exists()


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("problem", 1)])
def test_the_exit_code(
    status: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = Check("thing", status, "as it is", "do this")  # type: ignore[arg-type]
    monkeypatch.setattr(doctor, "examine", lambda _models: iter([check]))
    monkeypatch.setattr("sys.argv", ["bench", "doctor"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (end.value.code or 0) == code
    said = capsys.readouterr().out
    assert "thing: as it is" in said
    assert ("-> do this" in said) == (status != "ok")
