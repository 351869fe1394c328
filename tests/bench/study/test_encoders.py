"""The matrix of encoders: its notes quote the published table, and its rows are there for every encoder."""

import re
from pathlib import Path

import pytest

from bench.published.judged import read_table
from bench.study.axis import resolve_on
from bench.study.matrix import load_matrix

MATRIX = load_matrix("encoders")
MODELS = ["distilbert-base-uncased", "bert-base-uncased", "roberta-base"]
NAMES = {
    "distilbert-base-uncased": "distilbert",
    "bert-base-uncased": "bert-base",
    "modernbert-base": "modernbert-base",
    "deberta-v3-base": "deberta-v3-base",
}


def test_notes_quote_the_published_figures() -> None:
    published = read_table("imdb").rows
    note = MATRIX.baseline.note or ""
    for model, name in NAMES.items():
        assert f"{model} {published[name].figures['table']}" in note
    assert str(published["deberta-v3-base"].figures["log"]) in note
    rows = {row.name: row.note or "" for row in MATRIX.rows}
    assert re.findall(r"\d\d\.\d\d", rows["last-block"]) == [
        str(published["roberta-large"].figures[column]) for column in ("table", "log")
    ]
    assert str(published["bag-of-words"].figures["table"]) in rows["tfidf"]


def test_the_three_regimes_on_hub_names_without_a_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Planned without torch or weights, each row on each model, TF-IDF once."""
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = {row.name: row for row in resolve_on(MATRIX, MODELS).rows}
    assert len(rows) == 3 * 9 + 1
    assert not [row.name for row in rows.values() if row.excluded]
    for model in MODELS:
        regimes = [rows[f"{model}: {name}"].recipe for name in ("features", "output-layers", "baseline")]
        assert [recipe.method.kind for recipe in regimes] == ["features", "top_blocks", "all"]
        assert [recipe.head for recipe in regimes] == ["linear", "mlp", "mlp"]
