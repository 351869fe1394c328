"""Rows of one user, thread or author never stand in two parts, nor do copies of a text."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcore.data.datasets import Dataset, load_dataset
from gptcore.data.groups import components, grouped_parts, straddling
from gptcore.data.holdout import development
from gptcore.errors import UserError


def write(path: Path, rows: list[tuple[object, ...]], header: str = "text,label,user") -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def some_rows(n: int = 400, n_users: int = 60, seed: int = 0) -> list[tuple[object, ...]]:
    """Users with few and many rows; some texts stand under two users."""
    rng = np.random.default_rng(seed)
    users = (n_users * rng.random(n) ** 2).astype(int)
    return [(f"text {i if i % 25 else i % 2}", "ab"[i % 3 % 2], f"u{user}") for i, user in enumerate(users)]


def sets_of(data: Dataset, values: list[object]) -> list[set[object]]:
    """The values of the rows of each part."""
    found = []
    for part in (data.train, data.validation, data.test):
        assert part.rows is not None
        found.append({values[row] for row in part.rows})
    return found


def are_apart(sets: list[set[object]]) -> bool:
    return not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])


@pytest.mark.parametrize("seed", [0, 123])
def test_no_group_and_no_text_stands_in_two_parts(tmp_path: Path, seed: int) -> None:
    rows = some_rows()
    path = write(tmp_path / "a.csv", rows)
    data = load_dataset(path, group_column="user", split_seed=seed)
    assert sorted(np.concatenate([data.train.rows, data.validation.rows, data.test.rows])) == list(range(400))
    assert are_apart(sets_of(data, [row[2] for row in rows]))
    assert are_apart(sets_of(data, [row[0] for row in rows]))
    for part, share in ((data.train, 0.7), (data.validation, 0.1), (data.test, 0.2)):
        assert len(part) / 400 == pytest.approx(share, abs=0.03)
        assert np.bincount(part.labels)[1] / len(part) == pytest.approx(133 / 400, abs=0.05)
    assert any("60 groups stay whole: " in note for note in data.notes)
    assert not [warning for warning in data.warnings if "also stand" in warning]
    again = load_dataset(path, group_column="user", split_seed=seed)
    assert again.fingerprint == data.fingerprint
    assert data.with_split(seed + 1).fingerprint != data.fingerprint
    assert are_apart(sets_of(data.with_split(seed + 1), [row[2] for row in rows]))


def test_it_is_another_source_and_without_it_nothing_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", some_rows())
    plain, grouped = load_dataset(path), load_dataset(path, group_column="user")
    assert plain.source_fingerprint != grouped.source_fingerprint
    other = write(tmp_path / "b.csv", [row[:2] for row in some_rows()], "text,label")
    assert load_dataset(other).fingerprint == plain.fingerprint
    assert load_dataset(other).source_fingerprint == plain.source_fingerprint
    assert "columns not used: 'user'" in plain.notes
    assert not any("not used" in note for note in grouped.notes)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30))
def test_components_are_what_copies_and_groups_join(pairs: list[tuple[int, int]]) -> None:
    texts, groups = [text for text, _ in pairs], [str(group) for _, group in pairs]
    found = components([texts.index(text) for text in texts], groups)
    joined = [{at} for at in range(len(pairs))]
    for a in range(len(pairs)):  # by hand: grow until nothing changes
        for _ in pairs:
            joined[a] |= {
                b
                for b in range(len(pairs))
                if any(texts[b] == texts[c] or groups[b] == groups[c] for c in joined[a])
            }
    assert [min(each) for each in joined] == found


@given(st.integers(0, 1000), st.integers(4, 40), st.integers(1, 4))
def test_parts_are_all_rows_once_and_have_each_class_where_they_can(
    seed: int, n: int, n_classes: int
) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(n, size=3 * n)
    labels = groups % n_classes  # each group of one class
    parts = grouped_parts(labels, groups, (0.7, 0.1, 0.2), np.random.RandomState(seed))
    assert sorted(np.concatenate(parts).tolist()) == list(range(3 * n))
    assert are_apart([set(groups[part].tolist()) for part in parts])
    for label in range(n_classes):
        if len(set(groups[labels == label].tolist())) >= 3:
            assert all(label in labels[part] for part in parts)


def test_given_parts_are_kept_and_must_not_divide_groups(tmp_path: Path) -> None:
    rows = [
        (*row, "test" if int(str(row[2])[1:]) % 4 == 0 else "train")
        for row in some_rows()
        if row[0] not in ("text 0", "text 1")
    ]
    header = "text,label,user,split"
    data = load_dataset(write(tmp_path / "a.csv", rows, header), split_column="split", group_column="user")
    users: list[object] = [row[2] for row in rows]
    assert are_apart(sets_of(data, users))
    assert len(data.test) == sum(row[3] == "test" for row in rows)
    assert len(data.validation) / (len(data.train) + len(data.validation)) == pytest.approx(0.1, abs=0.03)
    apart = write(tmp_path / "b.csv", [*rows, ("more", "a", "u4", "train")], header)
    with pytest.raises(
        UserError, match=r"1 groups have rows in several of the given parts, such as 'u4' in test and"
    ):
        load_dataset(apart, split_column="split", group_column="user")
    assert straddling([str(user) for user in users], [str(row[3]) for row in rows]) == {}


def test_test_texts_say_which_group_they_are_of_whatever_the_split(tmp_path: Path) -> None:
    rows = some_rows()
    path = write(tmp_path / "a.csv", rows)
    assert load_dataset(path).test_groups is None
    for seed in (1, 2):
        data = load_dataset(path, group_column="user", split_seed=seed)
        assert data.test_groups is not None
        assert data.test.rows is not None
        for number, row in zip(data.test_groups, data.test.rows, strict=True):
            assert rows[number][2] == rows[row][2]
            assert all(rows[before][2] != rows[row][2] for before in range(number))


def test_a_fixed_test_part_keeps_groups_whole(tmp_path: Path) -> None:
    rows = some_rows()
    data = load_dataset(write(tmp_path / "a.csv", rows), group_column="user").with_fixed_test()
    user_of = {text: user for text, _, user in rows if text not in ("text 0", "text 1")}
    for seed in (1, 2):
        other = data.with_split(seed)
        assert set(other.test.texts) == set(data.test.texts)
        assert are_apart(
            [
                {user_of[t] for t in part.texts if t in user_of}
                for part in (other.train, other.validation, other.test)
            ]
        )


def test_what_recipes_are_chosen_on_keeps_groups_whole(tmp_path: Path) -> None:
    rows = some_rows()
    data = load_dataset(write(tmp_path / "a.csv", rows), group_column="user")
    chosen_on = development(data)
    user_of = {text: user for text, _, user in rows if text not in ("text 0", "text 1")}
    parts = (chosen_on.train, chosen_on.validation, chosen_on.test, data.test)
    users = [{user_of[text] for text in part.texts if text in user_of} for part in parts]
    assert are_apart(users[:3])
    assert not users[3] & set.union(*users[:3])


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (
            [("a", "x", ""), ("b", "y", "u")],
            r"line 2: the group in 'user' is missing: give each such row a value",
        ),
        (
            [(f"t{i}", "xy"[i % 2], "u") for i in range(9)],
            "no validation row would have the label 'x', whose rows stand",
        ),
        (
            [(f"t{i}", "xy"[i // 8], f"u{i % 8 if i < 8 else 9}") for i in range(16)],
            r"label 'y', whose rows stand in 1 of 9 groups that stay whole: add groups",
        ),
    ],
)
def test_groups_that_cannot_be_split(tmp_path: Path, rows: list[tuple[object, ...]], match: str) -> None:
    with pytest.raises(UserError, match=match):
        load_dataset(write(tmp_path / "a.csv", rows), group_column="user")


def test_the_column_must_be_there_and_free(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", some_rows())
    with pytest.raises(UserError, match="no column 'author': name the group column with --group-column"):
        load_dataset(path, group_column="author")
    with pytest.raises(UserError, match="'label' is named for the group and for something else"):
        load_dataset(path, group_column="label")
    with pytest.raises(UserError, match="kfold: it does not keep groups together"):
        load_dataset(path, group_column="user").with_folds()
    with pytest.raises(UserError, match="columns, splits and formats can be named for a file only"):
        load_dataset("sms-spam", group_column="user")


def test_a_text_that_joins_groups_is_named(tmp_path: Path) -> None:
    rows = [(f"text {i}", "ab"[i // 5 % 2], f"u{i // 5}") for i in range(200)]
    plain = load_dataset(write(tmp_path / "a.csv", rows), group_column="user")
    assert not any("joined" in note for note in plain.notes)
    few = [*rows, *(("ok", "a", f"u{2 * i}") for i in range(3)), ("yes", "a", "u8"), ("Yes ", "a", "u10")]
    data = load_dataset(write(tmp_path / "b.csv", few), group_column="user")
    joined = "3 groups are joined by the text 'ok', others by 1 more text: keep one row of a text that"
    assert any(joined in note for note in data.notes)
    glued = write(tmp_path / "c.csv", [*rows, *(("ok", "b", f"u{i}") for i in range(40))])
    with pytest.raises(UserError, match=r"stay whole \(40 groups are joined by the text 'ok': keep one row"):
        load_dataset(glued, group_column="user")
    test = write(tmp_path / "test.csv", [("new", "a", "v"), ("newer", "b", "w")])
    with pytest.raises(UserError, match=r"validation rows off \(40 groups are joined by the text 'ok'"):
        load_dataset(glued, group_column="user", test=test)
