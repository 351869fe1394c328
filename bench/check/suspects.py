"""Likely label errors (confident learning), and what gives a label away, from one TF-IDF of the texts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.check.finding import N_SHOWN, Finding, Sample
from bench.check.leaks import check_leaks
from gptcore.wording import pluralise

if TYPE_CHECKING:
    import numpy as np

N_FOLDS = 5
FEWEST_TEXTS = 50  # of all classes, below which out-of-fold probabilities mean little
N_STEPS = 500_000  # of stochastic gradient descent, at least, as far as 200 epochs allow
MOST_TERMS = 50_000
MOST_ERRORS = 10  # shown
_SLACK = 1e-6  # for probabilities that equal the threshold, as cleanlab has it


def check_suspects(sample: Sample, firsts: Sequence[int]) -> list[Finding]:
    """firsts: (N,) see `copies`. Each text counts once, so that no copy confirms its own label."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    different = sorted(set(firsts))
    counts = Counter(sample.labels[at] for at in different)
    names = sorted(name for name, n in counts.items() if n >= N_FOLDS)
    used = [at for at in different if counts[sample.labels[at]] >= N_FOLDS]
    if len(used) < FEWEST_TEXTS or len(names) < 2:
        title = f"{len(used):,} different texts in classes of {N_FOLDS} or more are too few to look for wrong labels"
        examples = tuple(
            f"{name!r} has {pluralise(n, 'different text')}" for name, n in counts.most_common(N_SHOWN)
        )
        return [
            Finding("note", title, examples, f"add rows: it takes {FEWEST_TEXTS}, in two classes or more")
        ]
    index = {name: at for at, name in enumerate(names)}
    labels = np.array([index[sample.labels[at]] for at in used])
    vectoriser = TfidfVectorizer(
        sublinear_tf=True, min_df=2, max_features=MOST_TERMS, token_pattern=r"\w+|[^\w\s]"
    )
    try:
        terms = vectoriser.fit_transform([sample.texts[at] for at in used])
    except ValueError:  # no term stands in two texts
        title = "no word stands in two texts, so wrong labels cannot be looked for"
        return [Finding("note", title, (sample.show(used[0]),), "is this column the text?")]
    found = _errors(sample, used, labels, names, out_of_fold(terms, labels))
    return [*found, *check_leaks(sample, used, labels, names, terms, vectoriser.vocabulary_)]


def out_of_fold(terms: Any, labels: np.ndarray) -> np.ndarray:
    """Probabilities (N, n_classes) of each text from a logistic regression that has not seen it."""
    import numpy as np
    from joblib import parallel_config
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    n = len(labels)
    n_epochs = min(200, max(5, N_STEPS // n))
    model = SGDClassifier(
        loss="log_loss", alpha=1 / (10 * n), max_iter=n_epochs, tol=None, average=True, random_state=0
    )
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    # In threads: the descent lets go of the interpreter's lock, and the texts are not copied for each fold.
    with parallel_config(backend="threading", n_jobs=len(os.sched_getaffinity(0))):
        found = cross_val_predict(model, terms, labels, cv=folds, method="predict_proba")
    return np.asarray(found)


def label_errors(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Indices of likely label errors, the least likely label first (confident learning, Northcutt et al. 2021).

    A text counts confidently for a class where its probability is at least the mean that the texts with that label
    have. It is a likely error where it counts for another class than its own, the most probable one if there are
    several, and its own is not the most probable. The same as cleanlab's find_label_issues(filter_by=
    "confident_learning", return_indices_ranked_by="self_confidence"). labels: (N,) int64, each class at least once;
    probabilities: (N, n_classes), out of fold.
    """
    import numpy as np

    own = probabilities[np.arange(len(labels)), labels]
    thresholds = np.bincount(labels, own) / np.bincount(labels)
    confident = probabilities >= thresholds - _SLACK
    best = probabilities.argmax(axis=1)
    guess = np.where(confident.sum(axis=1) > 1, best, confident.argmax(axis=1))
    wrong = np.flatnonzero(confident.any(axis=1) & (guess != labels) & (best != labels))
    return np.asarray(wrong[np.argsort(own[wrong], kind="stable")])


def _errors(
    sample: Sample, used: Sequence[int], labels: np.ndarray, names: Sequence[str], probabilities: np.ndarray
) -> list[Finding]:
    wrong = label_errors(labels, probabilities)
    if not len(wrong):
        return [Finding("note", "no label looks wrong to TF-IDF (confident learning)")]
    examples = tuple(
        f"{sample.show(used[at])}; {names[probabilities[at].argmax()]!r} has a probability of "
        f"{100 * probabilities[at].max():.0f}%"
        for at in wrong[:MOST_ERRORS]
    )
    return [
        Finding(
            "warning",
            f"{len(wrong):,} of {len(used):,} different texts have a label that TF-IDF doubts (confident learning), "
            "the most doubtful first; a hard text looks the same",
            examples,
            "read these rows and correct the labels that are wrong",
        )
    ]
