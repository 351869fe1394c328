"""A folder knows where its data came from: they are read again as they were, or refused with the remedy."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gptcore import load_dataset
from gptcore.backbones.fingerprint import file_digest
from gptcore.cli import app
from gptcore.data import datasets
from gptcore.data.options import ReadOptions
from gptcore.errors import UserError
from gptcore.product.data_source import _found, data_of, remember, source_of
from gptcore.product.report import read_report

OPTIONS = ["--text-column", "said", "--label-column", "kind", "--separator", ";", "--test", "test.csv"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verified_here: None) -> Path:
    """Fitted in the folder of its files, by their bare names."""
    del verified_here
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name, n in (("mine.csv", 60), ("test.csv", 20)):
        rows = [
            f"{('see you', 'win a prize')[i % 2]} {n}{i};{('ham', 'spam')[i % 2]};other {n}{i}"
            for i in range(n)
        ]
        Path(name).write_text("\n".join(["said;kind;text", *rows]) + "\n")
    words = ["fit", "mine.csv", "--recipe", "tfidf", "--out", "kept", *OPTIONS]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return tmp_path / "kept"


def test_the_data_are_read_again_as_they_were(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    found = data_of(folder, read_report(folder), None, ReadOptions())
    assert found.fingerprint == read_report(folder).data.fingerprint
    assert len(found.test) == 20


def test_the_folder_says_nothing_of_the_machine(folder: Path) -> None:
    for path in folder.iterdir():
        assert str(folder.parent).encode() not in path.read_bytes(), path.name
    source = read_report(folder).source
    assert source is not None
    assert source.name == "mine.csv"
    assert source.options.test == Path("test.csv")
    assert source.files == {"data": file_digest(Path("mine.csv")), "test": file_digest(Path("test.csv"))}


def test_on_another_machine_the_files_must_be_named(folder: Path) -> None:
    report = read_report(folder)
    shutil.rmtree(folder.parent / "cache")
    with pytest.raises(
        UserError, match=r"where mine.csv is, which .* is not known here: name a copy .* --data"
    ):
        data_of(folder, report, None, ReadOptions())
    with pytest.raises(UserError, match=r"where test.csv is, .*: --data mine.csv … --test COPY"):
        data_of(folder, report, "mine.csv", ReadOptions())
    (folder.parent / "cache" / "fitted-on").mkdir(parents=True)
    (folder.parent / "cache" / "fitted-on" / f"{report.data.fingerprint}.json").write_text("[1")
    with pytest.raises(UserError, match=r"is not known here"):
        data_of(folder, report, None, ReadOptions())


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "file"))
    remember("0" * 64, "mine.csv", ReadOptions())


def test_folders_with_whole_paths_are_read(folder: Path) -> None:
    """Those that were written before the paths were left out."""
    shutil.rmtree(folder.parent / "cache")
    report = json.loads((folder / "fit.json").read_text())
    whole = {name: str(folder.parent / name) for name in ("mine.csv", "test.csv")}
    source = report["source"]
    source["name"], source["options"]["test"] = whole["mine.csv"], whole["test.csv"]
    source["files"] = {
        whole[f"{role}.csv"]: source["files"][of] for role, of in (("mine", "data"), ("test", "test"))
    }
    (folder / "fit.json").write_text(json.dumps(report))
    older = read_report(folder)
    assert data_of(folder, older, None, ReadOptions()).fingerprint == older.data.fingerprint
    Path("test.csv").write_text("said;kind;text\n")
    with pytest.raises(UserError, match=r"/test.csv has changed since"):
        data_of(folder, older, None, ReadOptions())


def test_a_copy_of_a_named_data_set_is_found_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    own = tmp_path / "own"
    own.mkdir()
    asked = ReadOptions(data_path=own)
    source = source_of("imdb", asked)
    assert (source.name, source.options.data_path, source.files) == ("imdb", Path("own"), {})
    remember("0" * 64, "imdb", asked)
    assert _found(tmp_path, source, "0" * 64, None) == {"data_path": own}
    own.rmdir()
    with pytest.raises(UserError, match=r"own, which .* is gone: .* --data imdb … --data-path COPY"):
        _found(tmp_path, source, "0" * 64, None)


def test_a_copy_is_read_with_the_same_options(folder: Path) -> None:
    copy = folder.parent / "copy.csv"
    copy.write_bytes((folder.parent / "mine.csv").read_bytes())
    found = data_of(folder, read_report(folder), str(copy), ReadOptions())
    assert found.fingerprint == read_report(folder).data.fingerprint
    other = data_of(folder, read_report(folder), str(copy), ReadOptions(label_column="kind", separator=";"))
    assert other.test.texts[0].startswith("other 60")  # of the column that is called text


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("mine.csv", r"name a copy of it as it was with --data, or fit again"),
        ("test.csv", r"give all files and options of `fit` again.*: --data \S+mine.csv … --test COPY"),
    ],
)
def test_a_file_that_is_gone_or_has_changed_is_named_with_the_remedy(
    folder: Path, name: str, remedy: str
) -> None:
    path, report = folder.parent / name, read_report(folder)
    path.write_text(path.read_text() + "see you again;ham;x\n")
    with pytest.raises(UserError, match=f"{name} has changed since .*: {remedy}"):
        data_of(folder, report, None, ReadOptions())
    path.unlink()
    with pytest.raises(UserError, match=f"{name}, which .* was fitted on, is gone: {remedy}"):
        data_of(folder, report, None, ReadOptions())


def test_the_remedies_lead_to_the_data(folder: Path) -> None:
    report, options = read_report(folder), ReadOptions(text_column="said", label_column="kind", separator=";")
    for name in ("mine", "test"):
        (folder.parent / f"{name}.csv").rename(folder.parent / f"{name}-copy.csv")
    with pytest.raises(UserError, match=r"test.csv, which .* is gone: .*--data mine-copy.csv … --test COPY"):
        data_of(folder, report, "mine-copy.csv", ReadOptions())
    whole = replace(options, test=Path("test-copy.csv"))
    assert data_of(folder, report, "mine-copy.csv", whole).fingerprint == report.data.fingerprint


def test_a_data_set_with_a_name_is_not_read_with_a_files_options(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ReadOptions] = []
    monkeypatch.setattr(datasets, "load_dataset", lambda _name, options, **_: asked.append(options))
    for name in ("sms-spam", "hub:owner/name"):
        data_of(folder, read_report(folder), name, ReadOptions())
    assert asked == [ReadOptions()] * 2


def test_folders_that_are_older_ask_for_the_data(folder: Path) -> None:
    older = read_report(folder).model_copy(update={"source": None})
    with pytest.raises(UserError, match="does not say which file it was fitted on: name it with --data"):
        data_of(folder, older, None, ReadOptions())
    with pytest.raises(UserError, match=r"need --data; without them, mine.csv is read as `fit` read it"):
        data_of(folder, read_report(folder), None, ReadOptions(text_column="said"))
    options = ReadOptions(text_column="said", label_column="kind", separator=";", test=Path("test.csv"))
    expected = load_dataset("mine.csv", options)
    assert data_of(folder, older, "mine.csv", options).fingerprint == expected.fingerprint
