"""Words and names that give a class away are found, and no others."""

import numpy as np
import pytest

from bench.check.finding import Finding, Sample
from bench.check.suspects import check_suspects


def leaks(texts: list[str], labels: list[str]) -> list[Finding]:
    sample = Sample(texts, labels, [f"line {i + 2}" for i in range(len(texts))])
    return [f for f in check_suspects(sample, range(len(texts))) if "gives the class" in f.title]


def random_texts(labels: list[str], prefixes: dict[str, str], share: float = 1.0) -> list[str]:
    """Texts of random letters; a share of those of a class begin with its prefix."""
    rng = np.random.default_rng(1)
    texts = []
    for i, label in enumerate(labels):
        prefix = prefixes.get(label, "") if rng.random() < share else ""
        texts.append(" ".join([prefix, *rng.choice(list("abcdefgh"), size=6), str(i)]))
    return texts


def test_a_name_of_one_word() -> None:
    labels = ["ham", "spam"] * 100
    (finding,) = leaks(random_texts(labels, {"spam": "[SPAM]"}), labels)
    assert finding.level == "problem"
    assert "the word 'spam' gives the class 'spam' away" in finding.title
    assert finding.examples[0].startswith("line 3 ('spam')")


def test_any_word_that_decides() -> None:
    labels = ["ham", "spam"] * 100
    (finding,) = leaks(random_texts(labels, {"ham": "zz"}), labels)
    assert finding.level == "warning"
    assert "the word 'zz' gives the class 'ham' away: it stands in 100% of its texts" in finding.title
    assert not leaks(random_texts(labels, {"ham": "zz"}, share=0.8), labels)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("Customer Service", "to: customer  service,"),
        ("customer-service", "(Customer Service)"),
        ("customer_service", "customer-service"),
        ("C++", "in c++:"),
        ("\u8db3\u7403 \u65b0\u95fb", "\u8db3\u7403 \u65b0\u95fb"),
    ],
)
def test_a_name_of_several_words(name: str, prefix: str) -> None:
    labels = [name, "other", "more"] * 60
    (finding,) = leaks(random_texts(labels, {name: prefix}, share=0.5), labels)
    assert finding.level == "problem"
    assert f"gives the class {name!r} away: it stands in " in finding.title
    assert "100% of the texts with it are of that class" in finding.title
    assert all(f"({name!r})" in example for example in finding.examples)


def test_a_name_within_another_is_not_confused_with_it() -> None:
    labels = ["spam", "not spam"] * 100
    both = leaks(random_texts(labels, {"spam": "[spam]", "not spam": "[not-spam]"}), labels)
    assert [finding.level for finding in both] == ["problem", "problem"]
    (one,) = leaks(random_texts(labels, {"not spam": "[not spam]"}), labels)
    assert "the phrase 'not spam' gives the class 'not spam' away" in one.title


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("real estate", "unreal estates"),  # not whole words
        ("real estate", "estate, real"),
        ("3", "a 3 and"),  # a number stands in texts for other reasons
        ("4.5", "4.5"),
        ("-", "-"),
    ],
)
def test_what_is_not_the_name(name: str, prefix: str) -> None:
    labels = [name, "other"] * 100
    assert not leaks(random_texts(labels, {name: prefix}, share=0.5), labels)


def test_a_name_that_other_classes_have_too() -> None:
    labels = ["real estate", "other"] * 100
    prefixes = dict.fromkeys(labels, "real estate")
    assert not leaks(random_texts(labels, prefixes, share=0.5), labels)
