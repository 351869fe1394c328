"""Which rows read only the beginning of some texts, from the records."""

from __future__ import annotations

from bench.evidence.results import Results, RowResult
from bench.records.record import Record
from gptcore.result import CutTexts


def cut_of(record: Record) -> CutTexts | None:
    """How many texts of the three splits a run cut; None of a run that reads none as tokens."""
    if record.inputs is None:
        return None
    data = record.dataset
    tokens = record.inputs.tokens_per_row or record.inputs.longest_tokens
    return CutTexts(record.inputs.n_truncated, data.n_train + data.n_validation + data.n_test, tokens)


def cut_rows(results: Results) -> dict[str, CutTexts]:
    """Row name -> the seed that cut most, for the rows that cut a share of the texts that matters."""
    found = {result.name: most for result in results.finished if (most := _most_cut(result)) is not None}
    return {name: cut for name, cut in found.items() if cut.matters}


def _most_cut(result: RowResult) -> CutTexts | None:
    cuts = [cut for run in result.done if (cut := cut_of(run))]
    return max(cuts, key=lambda cut: cut.share, default=None)
