"""What `check` reads and measures: data of a hub, models of one's own, and languages from the whole file."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from typer.testing import CliRunner

from bench.check.check import Checked, check
from bench.check.finding import Finding, Sample
from bench.check.read import read_leniently
from bench.check.texts import check_texts
from bench.cli import app
from gptcore.data import hub
from gptcore.data.datasets import load_dataset
from gptcore.data.options import ReadOptions
from gptcore.errors import UserError


@pytest.fixture
def of_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository "owner/name" whose files lie in a folder: 40 train rows and 8 test rows."""
    for part, n in (("train", 40), ("test", 8)):
        texts = [f"some {part} text {i}" for i in range(n)]
        table = pyarrow.table({"text": texts, "label": [i % 2 for i in range(n)]})
        pyarrow.parquet.write_table(table, tmp_path / f"{part}.parquet")
    files = hub._Files("c" * 40, {"train": ["train.parquet"], "test": ["test.parquet"]})
    monkeypatch.setattr(hub, "_list_files", lambda _: files)
    monkeypatch.setattr(hub, "_download", lambda _repo, file, _commit: tmp_path / file)
    return tmp_path


def test_a_hub_is_read_part_by_part(of_hub: Path) -> None:
    sample, findings = read_leniently("hub:owner/name", ReadOptions())
    assert (len(sample), sample.parts) == (48, ["train"] * 40 + ["test"] * 8)
    assert (sample.places[0], sample.places[-1]) == (
        "train, train.parquet, row 1",
        "test, test.parquet, row 8",
    )
    assert findings[0].title == f"hub:owner/name at commit {'c' * 40}"
    done = CliRunner().invoke(app, ["check", "hub:owner/name"])
    assert done.exit_code == 0
    assert "48 usable rows" in done.output
    table = pyarrow.table({"text": ["", "a text"], "label": [0, 1]})
    pyarrow.parquet.write_table(table, of_hub / "test.parquet")
    _, findings = read_leniently("hub:owner/name", ReadOptions())
    (unusable,) = [one for one in findings if "cannot be used" in one.title]
    assert unusable.examples == ("test, test.parquet, row 1",)


def test_a_hub_takes_names_of_classes_and_no_other_parts(of_hub: Path) -> None:
    named = ReadOptions(label_names="bad,good")
    assert set(read_leniently("hub:owner/name", named)[0].labels) == {"bad", "good"}
    assert load_dataset("hub:owner/name", named).label_names == ("bad", "good")
    for options in (ReadOptions(test=of_hub / "test.parquet"), ReadOptions(split_column="split")):
        for read in (read_leniently, load_dataset):
            with pytest.raises(UserError, match=r"its own parts are used: leave out --(test|split-column)"):
                read("hub:owner/name", options)


def toy_model(folder: Path, context: int) -> str:
    """A GPT-2 of words, a token each, without weights."""
    folder.mkdir()
    vocabulary = {"<unk>": 0, "word": 1, "<|endoftext|>": 2}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    shape = {"n_embd": 8, "n_layer": 1, "n_head": 1, "n_positions": context, "vocab_size": 3}
    (folder / "config.json").write_text(
        json.dumps({"model_type": "gpt2", "architectures": ["GPT2Model"], **shape})
    )
    return str(folder)


def test_lengths_for_a_model_of_ones_own(tmp_path: Path) -> None:
    texts = ["word " * n for n in (3, 5, 6, 9)] * 30
    sample = Sample(texts, ["a", "b"] * 60, [f"line {i}" for i in range(120)])
    short, long = toy_model(tmp_path / "short", 5), toy_model(tmp_path / "long", 50)
    titles = {one.title: one for one in check_texts(sample, [short, long, "nano"])}
    (cut,) = [one for title, one in titles.items() if title.startswith(f"{short}: 6 tokens in the median")]
    assert cut.level == "warning"
    assert cut.title.endswith("context 5: 60 of 120 texts (50%) would be cut")
    assert cut.examples[0].startswith("6 tokens, line 2")
    assert any(title.startswith(f"{long}: 6 tokens") and title.endswith("context 50") for title in titles)
    assert sum("nano" in title for title in titles) == 1  # once, though it is known anyway
    with pytest.raises(UserError, match="is neither a known name"):
        check_texts(sample, ["nothing-such"])


LANGUAGES = {
    "en": "This is a sentence about the weather and what we are going to have for dinner tonight.",
    "de": "Das ist ein Satz über das Wetter und darüber, was wir heute Abend essen werden.",
    "fr": "Voici une phrase sur le temps qu'il fait et ce que nous allons manger ce soir.",
}


def test_languages_are_those_of_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("py3langid")
    monkeypatch.setattr("bench.check.texts.N_LANGUAGE_TEXTS", 30)
    texts = [f"{text} {i}" for text in LANGUAGES.values() for i in range(100)]  # ordered, as files often are
    sample = Sample(texts, ["a", "b"] * 150, [f"line {i + 2}" for i in range(300)])
    (found,) = [one for one in check_texts(sample) if one.title.startswith("languages")]
    assert found.title.startswith(
        "languages of 30 texts, evenly from all 300, where short ones are guesses: "
    )
    assert all(f"{language} 10" in found.title for language in LANGUAGES)
    assert found.examples[1].startswith("de, line 102: ")
    few = Sample(texts[:20], ["a", "b"] * 10, sample.places[:20])
    assert any(one.title.startswith("languages of all 20 texts") for one in check_texts(few))


# --- every finding --------------------------------------------------------------------------------------

GOOD = [f"text number {i} of {'these' if i % 3 else 'those'},{'ab'[i % 2]}" for i in range(60)]
FILES: dict[str, tuple[str, list[str]]] = {
    "scores": ("text,label", [f"text {i},{i % 9 / 2}" for i in range(90)]),
    "one class": ("text,label", [f"text {i},a" for i in range(9)]),
    "identifiers": ("text,label", [f"text {i},id{i}" for i in range(40)]),
    "few": ("text,label", [f"text {i},{'ab'[i % 2]}" for i in range(8)]),
    "no word twice": ("text,label", [f"w{i} v{i},{'ab'[i % 2]}" for i in range(80)]),
    "quotes": ("text,label", [*GOOD, 'a text, "a"']),
    "swallowed": ("text,label", [*GOOD, '"' + "\n".join("over lines" for _ in range(9)) + '",a']),
    "joined groups": (
        "text,label,user",
        [*(f"{row},u{i}" for i, row in enumerate(GOOD)), "ok,a,u1", "ok,a,u2"],
    ),
    "odd": (
        "text,label",
        [*GOOD, "!,a", "привет как дела,b", "text number 1 of these,A", ",a", "x,", "word,tiny"],
    ),
}


@pytest.fixture(params=FILES)
def checked(request: pytest.FixtureRequest, tmp_path: Path) -> Checked:
    header, rows = FILES[request.param]
    path = tmp_path / "a.csv"
    path.write_text("\n".join([header, *rows]).replace("\\n", "\n") + "\n", encoding="utf-8")
    return check(str(path), ReadOptions(group_column="user" if "user" in header else None))


def is_located(finding: Finding) -> bool:
    return bool(finding.examples) or "line " in finding.title


def test_every_finding_has_a_place_or_an_example_and_its_remedy(checked: Checked) -> None:
    for finding in checked.findings:
        if finding.level != "note":
            assert is_located(finding), finding.title
            assert finding.remedy, finding.title
    nowhere = [one.title for one in checked.findings if not is_located(one)]
    assert all(title.startswith(("no label looks wrong", "lengths for")) for title in nowhere), nowhere


def test_a_label_written_in_two_ways_is_shown_in_both(tmp_path: Path) -> None:
    rows = [{"text": f"word number {i}", "label": i % 2} for i in range(60)] + [
        {"text": "one more", "label": "1"}
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    (found,) = [one for one in check(str(path), ReadOptions()).findings if "is a string in some" in one.title]
    assert found.examples == (
        "line 2 ('1'): 'word number 1', written 1",
        "line 61 ('1'): 'one more', written '1'",
    )
