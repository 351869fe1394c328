"""Memory does not grow with the file whose texts are answered."""

import tracemalloc
from pathlib import Path

import pytest

from gptcore import Recipe, TextClassifier, load_dataset
from gptcore.product import stream
from gptcore.product.fitting import fit_to_keep
from gptcore.product.stream import Request, predict_file

LINES = {
    ".csv": '{i},"win a prize, now {i}"\n',
    ".tsv": "{i}\twin {i}\n",
    ".jsonl": '{{"text": "win {i}"}}\n',
}
HEADERS = {".csv": "id,text\n", ".tsv": "id\ttext\n", ".jsonl": ""}


@pytest.fixture(scope="module")
def folder(reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "tfidf"
    fit_to_keep(Recipe(model="tfidf"), load_dataset(reviews)).classifier.save(path)
    return path


def peak_bytes(folder: Path, file: Path) -> int:
    """The most that Python and NumPy hold at once while the file is answered, from its opening on."""
    classifier = TextClassifier.load(folder)
    tracemalloc.start()
    try:
        predict_file(classifier, Request(folder, file, file.with_stem(f"{file.stem}-answers")))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", LINES)
def test_a_file_of_twenty_times_the_rows_takes_no_more_memory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(stream, "ROWS_AT_A_TIME", 64)
    peaks = []
    for n in (64, 320, 6400):  # the first also loads what is loaded once
        file = tmp_path / f"{n}{suffix}"
        file.write_text(HEADERS[suffix] + "".join(LINES[suffix].format(i=i) for i in range(n)))
        peaks.append(peak_bytes(folder, file))
    # 33 bytes for each further row: a list of the texts alone would take more than twice as many
    assert peaks[2] < peaks[1] + 200_000
