"""What gives a class away: a word that nearly decides it, or the class's own name in its texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.check.finding import N_SHOWN, Finding, Sample
from gptcore.data.checks import normalised

if TYPE_CHECKING:
    import numpy as np

TELLING = 0.9  # share of a class that a word stands in, from which on it gives the class away
CERTAIN = 0.99  # share of the texts with the word that are of the class
FEWEST = 20  # texts of a class, below which a word stands in all of them by chance
NAMED, NAMED_CERTAIN = 0.2, 0.9  # the same two of the class's own name


@dataclass(frozen=True)
class Leak:
    """found: a word or the class's name; share, certainty: see above; rows: texts of the class with it."""

    found: str
    share: float
    certainty: float
    rows: Sequence[int]


def check_leaks(
    sample: Sample,
    used: Sequence[int],
    labels: np.ndarray,
    names: Sequence[str],
    terms: Any,
    vocabulary: dict[str, int],
) -> list[Finding]:
    """One finding for each class that something gives away.

    used: rows of the sample; labels: their classes, into names; terms: sparse (len(used), n_terms), not 0 where the
    text has the term; vocabulary: term -> column.
    """
    named = names_in_texts([sample.texts[at] for at in used], labels, names)
    telling = _telling_words(labels, terms, vocabulary)
    findings = []
    for label, name in enumerate(names):
        leak = named.get(label) or telling.get(label)
        if leak is None:
            continue
        kind = "phrase" if " " in leak.found else "word"
        findings.append(
            Finding(
                "problem" if label in named else "warning",
                f"the {kind} {leak.found!r} gives the class {name!r} away: it stands in {100 * leak.share:.0f}% of its "
                f"texts, and {100 * leak.certainty:.0f}% of the texts with it are of that class",
                tuple(sample.show(used[row]) for row in leak.rows[:N_SHOWN]),
                "will new texts have it too? If it comes from how the data was made, remove it from the texts",
            )
        )
    return findings


def names_in_texts(texts: Sequence[str], labels: np.ndarray, names: Sequence[str]) -> dict[int, Leak]:
    """Classes whose name stands in enough of their texts, and in few others.

    A name stands in a text as whole words, whatever the case, blanks, hyphens and underscores, and not as a part of a
    longer class name: "not spam" does not count for "spam". Numbers are not looked for. labels: (N,) into names.
    """
    import numpy as np

    plain_names, plain_texts = list(map(_plain, names)), list(map(_plain, texts))
    found = {}
    for label, name in enumerate(plain_names):
        if not name or re.fullmatch(r"[\d. ]+", name):
            continue
        has_name = _finder(name, plain_names)
        own = np.flatnonzero(labels == label)
        rows = [int(row) for row in own if has_name(plain_texts[row])]
        if len(rows) < max(2, NAMED * len(own)):  # the other classes are read for few names
            continue
        certainty = len(rows) / sum(map(has_name, plain_texts))
        if certainty >= NAMED_CERTAIN:
            found[label] = Leak(name, len(rows) / len(own), certainty, rows)
    return found


def _plain(text: str) -> str:
    return normalised(text.replace("_", " ").replace("-", " "))


def _finder(name: str, names: Sequence[str]) -> Callable[[str], bool]:
    """Whether a text has the name elsewhere than in longer ones of the names."""
    longer = sorted({other for other in names if name in other and other != name}, key=len, reverse=True)
    pattern = re.compile("|".join([*map(_whole_words, longer), f"({_whole_words(name)})"]))
    return lambda text: name in text and any(match[1] for match in pattern.finditer(text))


def _whole_words(name: str) -> str:
    """A pattern for it that begins and ends where its words do."""
    before, after = (
        edge if re.match(r"\w", name[at]) else "" for edge, at in ((r"(?<!\w)", 0), (r"(?!\w)", -1))
    )
    return f"{before}{re.escape(name)}{after}"


def _telling_words(labels: np.ndarray, terms: Any, vocabulary: dict[str, int]) -> dict[int, Leak]:
    """Of each class that one nearly decides, the word that stands in most of its texts."""
    import numpy as np
    from scipy.sparse import csr_matrix

    present = csr_matrix((np.ones_like(terms.data), terms.indices, terms.indptr), shape=terms.shape)
    one_hot = csr_matrix((np.ones(len(labels)), (labels, np.arange(len(labels)))))
    n_texts = np.bincount(labels)
    in_class = np.asarray((one_hot @ present).todense())  # (n_classes, n_terms) texts with the term
    everywhere = in_class.sum(axis=0)
    words = {at: word for word, at in vocabulary.items()}
    found = {}
    for label in np.flatnonzero(n_texts >= FEWEST):
        share, certainty = in_class[label] / n_texts[label], in_class[label] / everywhere
        telling = np.flatnonzero((share >= TELLING) & (certainty >= CERTAIN))
        if len(telling):
            word = telling[share[telling].argmax()]
            rows = np.flatnonzero(present[:, word].toarray().ravel() * (labels == label))
            found[int(label)] = Leak(words[word], share[word], certainty[word], rows.tolist())
    return found
