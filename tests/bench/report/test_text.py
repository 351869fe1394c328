import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report import text
from gptcore.wording import pluralise


@given(st.text())
def test_escaped_text_is_one_line_without_html_or_cell_borders(hostile: str) -> None:
    escaped = text.escape(hostile)
    assert not set(escaped) & set("<>\n\r")
    assert len(escaped.splitlines()) <= 1
    assert "|" not in escaped.replace("\\\\", "").replace("\\|", "")
    escaped.encode()  # no lone surrogates


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [
        ("last_real", "last_real"),
        ("_x_", "\\_x\\_"),
        ("a|b\nc", "a\\|b c"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("![t](http://e)", "!\\[t\\](http://e)"),
        ("`*&$", "\\`\\*&amp;\\$"),
    ],
)
def test_escape(raw: str, escaped: str) -> None:
    assert text.escape(raw) == escaped


def test_code_block_cannot_be_closed_from_inside() -> None:
    assert text.code_block("a ``` b") == "````\na ``` b\n````"


def test_figures() -> None:
    assert text.percent(0.95) == "95.00"
    assert [text.points(d) for d in (0.0133, -0.00667, 0.0, -0.000001)] == ["+1.33", "−0.67", "0.00", "0.00"]
    assert [text.seconds(s) for s in (0.0421, 4.2, 42, 4200, None)] == ["0.042", "4.20", "42.0", "4,200", "–"]
    assert [text.count(n) for n in (812, 1536, 4_340_000, 1_557_611_200, None)] == [
        *("812", "1.54k", "4.34M", "1.56B", "–")
    ]
    assert [text.memory(n) for n in (512 * 2**20, 3 * 2**29, None)] == ["512 MiB", "1.50 GiB", "–"]
    assert text.interval((0.919, 0.9701)) == "91.9 to 97.0"
    assert text.superscript(12) == "¹²"
    assert [pluralise(n, "seed") for n in (0, 1, 2)] == ["0 seeds", "1 seed", "2 seeds"]
    assert pluralise(1000, "text stands", "texts stand") == "1,000 texts stand"


def test_words() -> None:
    assert text.changes(
        {"train": "all", "attend_padding": False, "clip_norm": None, "lora_targets": ["a", "b"]}
    ) == ("train = all, attend_padding = false, clip_norm = none, lora_targets = a+b")
    assert (
        text.changes({"train": {"method": "top_blocks", "k": 3}}) == "train = { method = top_blocks, k = 3 }"
    )
    assert [text.join(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_fold() -> None:
    assert text.fold("first-token", 20) == "first-token"
    assert (
        text.fold("train=last_layer,position=first,lr=0.001", 20) == "train=last_layer,\nposition=first,lr=0…"
    )
    assert text.fold("abcdef", 4, lines=1) == "abc…"
    assert text.fold("abcdef", 4) == "abcd\nef"
