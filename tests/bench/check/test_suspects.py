"""Label errors are those of cleanlab, and planted ones are found."""

import numpy as np
import pytest
from cleanlab.filter import find_label_issues

from bench.check.finding import Sample
from bench.check.suspects import check_suspects, label_errors, out_of_fold


@pytest.mark.parametrize(
    ("n", "n_classes", "sharpness"), [(300, 2, 1.0), (500, 4, 2.0), (200, 7, 0.5), (60, 3, 5.0)]
)
def test_label_errors_are_those_of_cleanlab(n: int, n_classes: int, sharpness: float) -> None:
    rng = np.random.default_rng(n)
    labels = np.arange(n) % n_classes
    logits = sharpness * (rng.normal(size=(n, n_classes)) + 2 * np.eye(n_classes)[labels])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.where(rng.random(n) < 0.1, rng.integers(n_classes, size=n), labels)
    expected = find_label_issues(
        labels,
        probabilities,
        filter_by="confident_learning",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    assert len(expected) > 3
    assert label_errors(labels, probabilities).tolist() == expected.tolist()


def planted(n: int = 400) -> tuple[Sample, list[int]]:
    """Texts of two topics, and which of them have the wrong label."""
    rng = np.random.default_rng(0)
    topics = {"sport": ["match", "goal", "team", "coach"], "food": ["soup", "bread", "spoon", "taste"]}
    labels = [("sport", "food")[i % 2] for i in range(n)]
    texts = [
        " ".join(rng.choice([*topics[label], "and", "the"], size=8)) + f" {i}"
        for i, label in enumerate(labels)
    ]
    wrong = [10, 51, 200]
    for at in wrong:
        labels[at] = "food" if labels[at] == "sport" else "sport"
    return Sample(texts, labels, [f"line {i + 2}" for i in range(n)]), wrong


def test_planted_errors_are_found_and_nothing_else() -> None:
    sample, wrong = planted()
    (finding,) = [f for f in check_suspects(sample, range(len(sample))) if "TF-IDF doubts" in f.title]
    found = {example.split(" (")[0] for example in finding.examples}
    assert len(found) >= 2
    assert found <= {f"line {at + 2}" for at in wrong}


def test_probabilities_come_from_a_model_that_learned() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    sample, _ = planted()
    labels = np.array([label == "food" for label in sample.labels]).astype(int)
    found = out_of_fold(TfidfVectorizer().fit_transform(sample.texts), labels)
    assert ((found.argmax(axis=1) == labels).mean()) > 0.98
    assert -np.log(found[np.arange(len(labels)), labels]).mean() < 0.2


def test_too_few_texts_are_said_to_be_so() -> None:
    sample = Sample(["a b", "c d"] * 10, ["x", "y"] * 10, [str(i) for i in range(20)])
    (finding,) = check_suspects(sample, [0, 1] * 10)
    assert "too few" in finding.title
