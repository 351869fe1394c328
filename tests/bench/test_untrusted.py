"""Input that nobody vouches for: whatever a file holds, it gives a result or a UserError, and does nothing else."""

import csv
import io
import json
import os
import pickle
import re
import string
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from bench.evidence.results import collect
from bench.records import store
from bench.records.record import Record
from bench.records.store import load_study, named_record
from bench.records.study import Row, Study
from bench.report.html import write_html
from bench.report.markdown import render
from bench.report.show import show_record
from bench.report.summary import write_summary
from bench.study.matrix import Matrix, load_matrix
from bench.study.resolve import resolve
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.gpt2_config import read_config
from gptcore.backbones.weights import load_gpt, random_gpt, save_gpt
from gptcore.data.assets import _zip_member
from gptcore.data.datasets import load_dataset
from gptcore.data.tables import read_table
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds

# Files are written anew for each example, so one folder a test will do.
fuzzed = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
BYTES = st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))


def result_or_user_error(read: Callable[..., Any], *arguments: Any) -> Any:
    """What is read; None where the user is told why it is not."""
    try:
        return read(*arguments)
    except UserError:
        return None


_OF_ITS_KIND: dict[type, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.sampled_from([0, -1, 1, 10**6, -(10**30)]),
    float: st.sampled_from([0.0, -1.0, 1.5, 1e308, 1e-320]),
    str: st.sampled_from(["", "\x1b[2J", "../../up", "a|b", "baseline", "2020"]),
}


@st.composite
def damaged(draw: st.DrawFn, content: Any) -> Any:
    """JSON content with one thing in it replaced, removed or doubled, at any depth."""
    if isinstance(content, dict) and content and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(content)))
        if not draw(st.integers(0, 9)):
            return {name: value for name, value in content.items() if name != key}
        return content | {key: draw(damaged(content[key]))}
    if isinstance(content, list) and content and draw(st.integers(0, 9)):
        at = draw(st.integers(0, len(content) - 1))
        other = draw(
            st.sampled_from([[], [content[at], content[at]]]) | damaged(content[at]).map(lambda x: [x])
        )
        return [*content[:at], *other, *content[at + 1 :]]
    return draw(_OF_ITS_KIND.get(type(content), JSON) | JSON)


# --- matrix files ----------------------------------------------------------------------------------------

_FIELDS = st.sampled_from([*Recipe.model_fields, "modell"])
_VALUES = st.sampled_from(
    ['"all"', '"first"', "0.1", "-1", "true", "[]", '["c_attn"]', "inf", "1979-05-27", "{}"]
)
_SET = st.dictionaries(_FIELDS, _VALUES, max_size=3).map(
    lambda pairs: "{ " + ", ".join(f"{name} = {value}" for name, value in pairs.items()) + " }"
)
_NAMES = st.sampled_from(['"a"', '"b"', '""', '"a,b"', "3", '"\\u001b[31m"', '"../../up"', '"=1+1"'])
_ENTRIES = st.dictionaries(
    st.sampled_from(["name", "against", "question", "no_op", "note", "set", "published", "other"]),
    _NAMES | _SET | _VALUES,
    max_size=4,
)


@st.composite
def matrices(draw: st.DrawFn) -> str:
    """TOML that is nearly a matrix."""
    lines = [f"{key} = {draw(_NAMES)}" for key in draw(st.sets(st.sampled_from(["name", "about", "odd"])))]
    if draw(st.booleans()):
        lines.append(f"baseline = {{ set = {draw(_SET)} }}")
    for table in draw(
        st.lists(st.sampled_from(["questions", "models", "families", "grid", "grid.axes"]), unique=True)
    ):
        lines += [
            f"[{table}]",
            f"{draw(st.sampled_from(['nano', 'bundled', 'lr', 'axes', 'a']))} = {draw(_VALUES | _NAMES | _SET)}",
        ]
    for entry in draw(st.lists(_ENTRIES, max_size=3)):
        lines += ["[[row]]", *(f"{key} = {value}" for key, value in entry.items())]
    return "\n".join(lines)


@fuzzed
@given(content=matrices().map(str.encode) | BYTES)
def test_matrix_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "matrix.toml"
    path.write_bytes(content)
    matrix = result_or_user_error(load_matrix, path)
    if matrix is not None:
        assert isinstance(matrix, Matrix)
        result_or_user_error(resolve, matrix, "nano")


# --- tables ----------------------------------------------------------------------------------------------

_CELLS = st.text(alphabet=string.ascii_letters + ' ,"\n\r\t\x00\x1b=é' + "\u2028", max_size=12)
_LINES = st.lists(st.tuples(_CELLS, st.sampled_from(["ham", "spam", "", "1", "=1+1"])), max_size=20)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """CSV that is mostly well formed."""
    file = io.StringIO()
    writer = csv.writer(file, quoting=draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])))
    writer.writerow(draw(st.sampled_from([("text", "label"), ("text", "text"), ("text",), ()])))
    writer.writerows(draw(_LINES))
    content = file.getvalue().encode()
    cut = draw(st.integers(0, 20))
    return content[:-cut] if cut > 15 else content


@fuzzed
@given(content=tables() | BYTES, suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".csv.gz", ".parquet"]))
def test_tables(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    path.write_bytes(content)
    table = result_or_user_error(read_table, path)
    if table is not None:
        assert len(table.texts) == len(table.labels)
        data = result_or_user_error(load_dataset, path)
        assert data is None or len(data.train) + len(data.validation) + len(data.test) == len(table.texts)


@fuzzed
@given(lines=st.lists(JSON, max_size=5))
def test_json_lines(tmp_path: Path, lines: list[Any]) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    result_or_user_error(read_table, path)


def test_ten_megabytes_on_one_line_and_control_characters(tmp_path: Path) -> None:
    long, odd = "word " * 2 * 10**6, "\x1b]0;owned\x07\x00\x08 and on"
    rows = [
        f'"{long}",ham',
        f'"{odd}",spam',
        *(f"text {i},{label}" for i in range(8) for label in ("ham", "spam")),
    ]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["text,label", *rows]))
    data = load_dataset(path)
    texts = {text for split in (data.train, data.validation, data.test) for text in split.texts}
    assert {long, odd} <= texts


# --- records, studies, checkpoints ---------------------------------------------------------------------------


RECORDS = Path(__file__).parents[2] / "results" / "embedded"
ROWS = ("baseline", "first-token", "all-layers", "lora", "tfidf")


@pytest.fixture(scope="module")
def real() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The content of a study.json of a few rows, and of the records of its first seed."""
    study = load_study(RECORDS)
    rows = [row for row in study.rows if row.name in ROWS]
    few = study.model_copy(update={"rows": rows, "seeds": study.seeds[:1]})
    records = [named_record(f"{RECORDS}/{row.recipe.id}-s0") for row in rows]
    return json.loads(few.model_dump_json()), [json.loads(record.model_dump_json()) for record in records]


@fuzzed
@given(choose=st.data())
def test_records_and_studies_and_what_is_made_of_them(
    tmp_path: Path, real: tuple[dict[str, Any], list[dict[str, Any]]], choose: st.DataObject
) -> None:
    study, records = real
    folder = tmp_path / "a" / "study"
    folder.mkdir(parents=True, exist_ok=True)
    if choose.draw(st.booleans()):
        study = choose.draw(damaged(study))
    else:
        at = choose.draw(st.integers(0, len(records) - 1))
        records = [*records[:at], choose.draw(damaged(records[at])), *records[at + 1 :]]

    def report() -> None:
        (folder / "study.json").write_text(json.dumps(study))
        read = [_record(folder, number, content) for number, content in enumerate(records)]
        for record in read:
            Console(file=io.StringIO()).print(show_record(record))
        results = collect(load_study(folder), read)
        render(results)
        write_summary(folder / "summary.csv", results)
        write_html(folder / "report.html", results)

    result_or_user_error(report)
    # Nothing is written beside the folder.
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in folder.parent.iterdir()] == ["study"]


def _record(folder: Path, number: int, content: Any) -> Record:
    """A record as it is read from a file of the name that it claims for itself, where a file can have it."""
    name = content.get("run_id") if isinstance(content, dict) else None
    path = folder / f"{Path(name).name if isinstance(name, str) and Path(name).name else number}.json"
    path.write_text(json.dumps(content))
    return store.load_record(path)


@fuzzed
@given(content=BYTES | JSON.map(json.dumps).map(str.encode))
def test_what_is_no_record_and_no_study(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.json").write_bytes(content)
    assert result_or_user_error(store.load_record, tmp_path / "study.json") is None
    assert result_or_user_error(load_study, tmp_path) is None


@fuzzed
@given(content=JSON, draw=st.data())
def test_checkpoint_configs(tmp_path: Path, content: Any, draw: st.DataObject) -> None:
    config = {
        "n_embd": 8,
        "n_layer": 1,
        "n_head": 2,
        "n_positions": 4,
        "vocab_size": 9,
        "tokenizer": "embedded",
    }
    damage = draw.draw(damaged(config) | st.just(content))
    (tmp_path / "config.json").write_text(json.dumps(damage))
    result_or_user_error(read_config, tmp_path)


class Touch:
    """Unpickled by a careless reader, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what))])
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, save: Callable[..., Any]) -> None:
    shape = ModelConfig(d_model=8, n_layer=1, n_head=2, context=4, vocab_size=9)
    save_gpt(random_gpt(shape, 0), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    owned = tmp_path / "owned"
    save({"wte.weight": Touch(owned)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model\.bin"):
        load_gpt(tmp_path)
    assert not owned.exists()


def test_an_archive_writes_nothing_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("../up", f"{os.sep}tmp{os.sep}absolute", "data"):
            archive.writestr(name, name)
    for name in ("../up", "data"):
        assert _zip_member(file.getvalue(), name) == name.encode()
    assert list(tmp_path.iterdir()) == []


# --- what leaves ---------------------------------------------------------------------------------------------

HOSTILE = [
    '=HYPERLINK("http://evil")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r\n=1+1",
    "＝1+1",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![](http://evil/pixel.png)",
    "a | b",
    "`code`",
    "\x1b[2J\x1b]0;owned\x07",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_texts_in_a_report_are_only_text(
    tmp_path: Path, toy_study: Callable[..., Study], toy_record: Callable[..., Record], text: str
) -> None:
    row = Row(name=text, recipe=Recipe(), question="q", note=text)
    odd = Row(name=f"{text} 2", recipe=Recipe(lr=1), against=text, question="q", excluded=text)
    study = toy_study([row, odd], name=text, about=text, questions={"q": text}, seeds=[Seeds()], command=text)
    results = collect(study, [toy_record(status="failed", reason=text)])
    report = render(results)
    fence = re.search(r"^(`{3,})\n.*?^\1$", report, re.MULTILINE | re.DOTALL)
    assert fence  # the command, verbatim but for control characters
    outside = report.replace(fence[0], "")
    assert not re.search(r"<script|(?<!\\)\]\((javascript|http)|[\x1b\x07]", outside)
    assert not re.search(r"[\x1b\x07]", report)
    write_summary(tmp_path / "summary.csv", results)
    with (tmp_path / "summary.csv").open(newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@＝＋－＠\t\r\n"))]
    assert "\x1b" not in "".join(cells)
