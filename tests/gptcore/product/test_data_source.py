"""A folder knows where its data came from: they are read again as they were, or refused with the remedy."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gptcore import load_dataset
from gptcore.cli import app
from gptcore.data import datasets
from gptcore.data.options import ReadOptions
from gptcore.errors import UserError
from gptcore.product.data_source import data_of
from gptcore.product.report import read_report

OPTIONS = ["--text-column", "said", "--label-column", "kind", "--separator", ";", "--test", "test.csv"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verified_here: None) -> Path:
    """Fitted in the folder of its files, by their bare names."""
    del verified_here
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
    with pytest.raises(UserError, match=r"need --data; without them, \S+mine.csv is read as `fit` read it"):
        data_of(folder, read_report(folder), None, ReadOptions(text_column="said"))
    options = ReadOptions(text_column="said", label_column="kind", separator=";", test=Path("test.csv"))
    expected = load_dataset("mine.csv", options)
    assert data_of(folder, older, "mine.csv", options).fingerprint == expected.fingerprint
