"""Classes that were found, and what is suspicious about them."""

import pytest

from gptcore.data.labels import class_order, class_warnings, label_name, mixed_types_warning


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (["ham", " ham", "ham "], "' ham' (20), 'ham' (20), 'ham ' (20) differ only in blanks"),
        (["a b", "a  b"], "'a  b' (20), 'a b' (20) differ only in blanks"),
        (["spam", "Spam"], "'Spam' (20), 'spam' (20) differ only in case"),
        (["spam", "SPAM "], "differ only in case or blanks"),
        (["1", "1.0", "true"], "'1' (20), '1.0' (20), 'true' (20) differ only in how a number is written"),
        (["0.5", ".50"], "differ only in how a number is written"),
        (["caf\u00e9", "cafe\u0301"], "differ only in how characters are encoded"),
        (["spam", "sp\u200bam"], "'spam' (20), 'sp\\u200bam' (20) differ only in blanks"),
    ],
)
def test_classes_that_look_alike(labels: list[str], match: str) -> None:
    assert any(match in warning for warning in class_warnings(labels * 20))


def test_the_remedy_stands_once_behind_the_last_pair() -> None:
    names = [name + blank for name in "abcde" for blank in ("", " ")]
    warnings = class_warnings(names * 20)
    assert len(warnings) == 4
    assert warnings[-1].startswith("2 more groups of classes differ as little: if they are one class")


@pytest.mark.parametrize(
    "labels",
    [
        ["ham", "spam"],
        ["0", "1"],
        ["1", "2", "3", "10"],
        ["true", "false"],
        ["C", "C++"],
        ["-1", "1"],
        ["1", "01a"],
    ],
)
def test_ordinary_classes_are_not_suspicious(labels: list[str]) -> None:
    assert class_warnings(labels * 20) == ()


def test_scores() -> None:
    (warning,) = class_warnings([f"{i / 5:.1f}" for i in range(26)] * 20)
    assert warning.startswith("the labels look like scores (26 numbers from 0 to 5)")
    assert class_warnings([str(i) for i in range(77)] * 20) == ()  # class numbers
    assert class_warnings(["0.0", "1.0", "2.0"] * 20) == ()


def test_small_classes() -> None:
    assert class_warnings(["ok"] * 50 + ["fraud"] * 6) == (
        "1 of 2 classes has fewer than 10 texts, 'fraud' only 6: figures of it are mostly chance",
    )
    assert class_warnings([str(i) for i in range(40)] * 3) == (
        "40 classes for 120 texts: is this column the label?",
    )


def test_labels_of_several_types_that_become_one_class() -> None:
    assert mixed_types_warning([1, "1", 2]) == (
        "label 1 is a string in some rows and a number or truth value in others: read as one class",
    )
    assert mixed_types_warning([True, "true"]) != ()
    assert mixed_types_warning([1, 2, "a", None]) == ()


def test_names_of_labels() -> None:
    values = ["NA", None, float("nan"), True, 1, 1.0, [], b"x"]
    assert [label_name(value) for value in values] == ["NA", "", "", "true", "1", "1.0", None, None]


def test_order() -> None:
    assert class_order(["b", "10", "9", "a"]) == ("9", "10", "a", "b")
    assert class_order(["b", "a", "c"], ("c", "x", "b")) == ("c", "b", "a")
