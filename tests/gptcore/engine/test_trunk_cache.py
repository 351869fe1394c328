"""Kept trunks: shared by those they are the same for and by no other, in memory or in files that may be damaged."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from torch import Tensor

from gptcore.backbones.config import ModelConfig
from gptcore.backbones.weights import random_gpt
from gptcore.data.rows import Rows, pad
from gptcore.engine.attention import RowAttention
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.engine.trunk import compute_trunk
from gptcore.engine.trunk_cache import TrunkStore
from gptcore.engine.trunk_files import TrunkFiles
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier

N_LAYER, WIDTH, D_MODEL = 3, 8, 16  # of the toy
PAD = 30
SHAPE = ModelConfig(d_model=D_MODEL, n_layer=N_LAYER, n_head=2, context=24, vocab_size=31)
SEQUENCES = [[3, 1, 4], [1, 5, 9, 2, 6, 5, 3, 5], [8], [9, 7, 9, 3, 2]]
ONE_ROW = WIDTH * D_MODEL * 4  # bytes

Make = Callable[..., Classifier]


def padded(sequences: list[list[int]], width: int = WIDTH) -> Rows:
    return pad(sequences, width, PAD)


def rows_number(number: int) -> Rows:
    return padded([[number, number + 1]])


def of(found: Rows) -> Tensor:
    assert not found.are_tokens
    return found.values


def count_calls(module: torch.nn.Module) -> list[int]:
    """Rows of every batch that goes through a module from now on."""
    calls: list[int] = []
    module.register_forward_hook(lambda _module, inputs, _out: calls.append(len(inputs[0])))
    return calls


@pytest.fixture
def trimming(toy_classifier: Make) -> Classifier:
    return toy_classifier(Recipe(position="last_real"), "fast")


@pytest.fixture
def full_width(toy_classifier: Make) -> Classifier:
    return toy_classifier(Recipe(position="last"), "fast")


# --- who shares it ---------------------------------------------------------------------------------------


def is_shared(store: TrunkStore, classifier: Classifier, rows: Rows, weights: str, depth: int) -> bool:
    before = classifier.positions_processed
    _, spent_before = store.get(classifier, weights, rows, depth)
    assert (spent_before > 0) == (classifier.positions_processed == before)
    return spent_before > 0


SAME_STATES = [
    (Recipe(position="last_real"), Recipe(position="mean_real", batch_size=3, epochs=9)),
    (Recipe(position="last_real"), Recipe(position="last_real", train="last_two_blocks")),
    (Recipe(position="last_real"), Recipe(position="last", padding="none")),
    (Recipe(position="last_real"), Recipe(position="last", padding="left", attend_padding=False)),
    (Recipe(position="last"), Recipe(position="mean")),
]
OTHER_STATES = [
    (Recipe(position="last"), Recipe(position="last", attention="bidirectional")),
    (Recipe(position="last"), Recipe(position="last", attend_padding=False)),
    (
        Recipe(position="mean", attention="bidirectional"),
        Recipe(position="mean", attention="bidirectional", attend_padding=False),
    ),
    (Recipe(position="last"), Recipe(position="last_real")),
]


@pytest.mark.parametrize(("one", "other"), SAME_STATES)
def test_recipes_with_the_same_states_share_them(toy_classifier: Make, one: Recipe, other: Recipe) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    assert not is_shared(store, toy_classifier(one, "fast"), rows, "w", 2)
    assert is_shared(store, toy_classifier(other, "fast"), rows, "w", 2)


@pytest.mark.parametrize(("one", "other"), OTHER_STATES)
def test_recipes_with_other_states_do_not(toy_classifier: Make, one: Recipe, other: Recipe) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    assert not is_shared(store, toy_classifier(one, "fast"), rows, "w", 2)
    assert not is_shared(store, toy_classifier(other, "fast"), rows, "w", 2)


HALF = Recipe(position="last_real", attention="bidirectional_upper_half", attend_padding=False)


def test_a_causal_lower_half_is_shared_up_to_where_it_ends(toy_classifier: Make) -> None:
    """Of three blocks the lowest is causal; a deeper trunk starts from there."""
    rows, store = padded(SEQUENCES), TrunkStore()
    causal, half = (toy_classifier(recipe, "fast") for recipe in (Recipe(position="last_real"), HALF))
    assert not is_shared(store, causal, rows, "w", 1)
    assert is_shared(store, half, rows, "w", 1)
    assert half.layout.causal_lower_half
    of_causal, _ = store.get(causal, "w", rows, 2)
    found, spent_before = store.get(half, "w", rows, 2)
    assert spent_before > 0
    assert not torch.allclose(found.rows.values, of_causal.rows.values, atol=1e-3)
    alone, _ = TrunkStore().get(half, "w", rows, 2)
    attend = RowAttention(False, causal_below=1)
    expected = torch.cat([half.backbone.run(row, attend, stop=2)[0] for row in rows.unpadded()])
    for trunk in (found, alone):
        torch.testing.assert_close(trunk.rows.values[trunk.rows.real], expected)


def test_other_weights_tokens_lengths_and_sides_share_nothing(full_width: Classifier) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    others = [
        padded([[3, 1, 5], *SEQUENCES[1:]]),
        padded(SEQUENCES[::-1]),
        padded(SEQUENCES[:-1]),
        padded(SEQUENCES, WIDTH + 1),
        Rows(rows.values, rows.lengths.clamp(max=4), rows.side),
        Rows(rows.values, rows.lengths, "left"),
    ]
    assert not is_shared(store, full_width, rows, "w", 2)
    assert not is_shared(store, full_width, rows, "v", 2)
    for other in others:
        assert not is_shared(store, full_width, other, "w", 2)
    assert is_shared(store, full_width, rows, "w", 2)


def test_other_models_with_equal_tensors_share_nothing(toy_classifier: Make) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    for shape in ({}, {"n_head": 4}, {"layer_norm_epsilon": 1e-3}):
        assert not is_shared(store, toy_classifier(Recipe(), "fast", **shape), rows, "w", 2)
    assert is_shared(store, toy_classifier(Recipe(), "fast"), rows, "w", 2)


def test_rows_that_end_at_another_position_share_nothing(trimming: Classifier) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    for last_position in (None, 9, 10):
        assert not is_shared(store, trimming, replace(rows, last_position=last_position), "w", 2)


def test_other_precisions_share_nothing(full_width: Classifier) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    exact, _ = store.get(full_width, "w", rows, 2)
    full_width.precision = "bfloat16"
    assert not is_shared(store, full_width, rows, "w", 2)
    rounded, _ = store.get(full_width, "w", rows, 2)
    assert of(rounded.rows).dtype == torch.float32
    assert not torch.equal(of(rounded.rows), of(exact.rows))
    torch.testing.assert_close(of(rounded.rows), of(exact.rows), rtol=0.05, atol=0.05)


def test_features_are_shared_by_those_who_read_the_same_position(toy_classifier: Make) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    read_last = toy_classifier(Recipe(position="last_real"), "fast")
    read_mean = toy_classifier(Recipe(position="mean_real"), "fast")
    assert not is_shared(store, read_last, rows, "w", N_LAYER)
    features, spent = store.get(read_mean, "w", rows, N_LAYER)  # from the same states
    assert 0 < spent < features.seconds
    assert not torch.allclose(of(features.rows), of(store.get(read_last, "w", rows, N_LAYER)[0].rows))
    assert is_shared(store, read_last, rows, "w", N_LAYER)
    same_token = toy_classifier(Recipe(position="last", padding="none"), "fast")
    assert is_shared(store, same_token, rows, "w", N_LAYER)


def test_a_deeper_trunk_starts_from_the_deepest_that_is_there(trimming: Classifier) -> None:
    store, rows = TrunkStore(), padded(SEQUENCES)
    calls = [count_calls(block) for block in trimming.backbone.h]
    shallow, spent = store.get(trimming, "w", rows, 1)
    assert spent == 0
    middle, spent = store.get(trimming, "w", rows, 2)
    assert spent == shallow.seconds < middle.seconds
    deep, spent = store.get(trimming, "w", rows, N_LAYER)
    assert spent == middle.seconds < deep.seconds
    assert [len(each) for each in calls] == [1, 1, 1]
    _, spent = store.get(trimming, "w", rows, N_LAYER)
    assert spent == deep.seconds
    # what lies shallower than all that is stored has to be computed anew
    fresh = TrunkStore()
    fresh.get(trimming, "w", rows, 2)
    assert fresh.get(trimming, "w", rows, 1)[1] == 0


@pytest.mark.parametrize("memory_bytes", [10**9, ONE_ROW])
def test_parts_come_from_one_trunk_however_they_are_divided(
    trimming: Classifier, full_width: Classifier, tmp_path: Path, memory_bytes: int
) -> None:
    """In memory, or where that has no room for it in a mapped file."""
    one = [padded([*SEQUENCES[:3], SEQUENCES[0]]), padded(SEQUENCES[3:])]
    other = [padded(SEQUENCES[2:]), padded([SEQUENCES[1], SEQUENCES[0]])]
    for classifier in (trimming, full_width):
        store = TrunkStore(memory_bytes, TrunkFiles(tmp_path))
        assert store.known_parts(classifier, "w", other, 2) is None
        _, spent = store.parts(classifier, "w", one, 2)
        assert spent == 0
        found, spent = store.parts(classifier, "w", other, 2)
        assert spent > 0
        known = store.known_parts(classifier, "w", other, 2)
        assert known is not None
        for made in (found, known):
            for part, rows in zip(made, other, strict=True):
                assert len(part) == len(rows)
                index = torch.tensor([1, 0])
                expected = compute_trunk(classifier, rows, 2).rows.take(index)
                torch.testing.assert_close(part.take(index).values, expected.values)
                assert torch.equal(part.take(index).lengths, expected.lengths)


def test_equal_rows_are_computed_once(trimming: Classifier, full_width: Classifier) -> None:
    """In one part of the texts, or in two."""
    tokens = [padded([*SEQUENCES, SEQUENCES[0]]), padded([SEQUENCES[2], SEQUENCES[2]])]
    for classifier in (trimming, full_width):
        calls = count_calls(classifier.backbone.h[0])
        (one, other), _ = TrunkStore().parts(classifier, "w", tokens, 2)
        # One batch; without padding its rows lie end to end.
        packed = classifier.layout.drop_padding
        assert calls == [sum(map(len, SEQUENCES)) if packed else len(SEQUENCES)]
        computed = SEQUENCES if packed else [[0] * WIDTH] * len(SEQUENCES)
        assert classifier.positions_processed == sum(map(len, computed))
        states = one.take(torch.arange(5)).values
        assert torch.equal(states[4], states[0])
        assert torch.equal(other.take(torch.arange(2)).values, states[[2, 2]])


# --- the budget of memory, and what lies on disk ---------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> TrunkFiles:
    return TrunkFiles(tmp_path / "trunks")


def whole_files(files: TrunkFiles) -> list[str]:
    return sorted(path.stem for path in files.folder.glob("*.json"))


def test_the_least_recently_used_goes_to_disk(full_width: Classifier, files: TrunkFiles) -> None:
    store = TrunkStore(2 * ONE_ROW, files)
    a, b, c = (rows_number(number) for number in range(3))
    expected = {id(rows): of(TrunkStore().get(full_width, "w", rows, 1)[0].rows) for rows in (a, b, c)}
    for rows in (a, b, a, c):  # c pushes out b, as a was used since
        store.get(full_width, "w", rows, 1)
    assert len(whole_files(files)) == 1
    for rows in (a, b, c):
        assert is_shared(store, full_width, rows, "w", 1)
        assert torch.equal(of(store.get(full_width, "w", rows, 1)[0].rows), expected[id(rows)])
    fresh = TrunkStore(ONE_ROW - 1, files)  # another process, say, that has no room for any
    assert [is_shared(fresh, full_width, rows, "w", 1) for rows in (a, b, c)] == [False, True, False]


def test_a_trunk_beyond_the_budget_is_computed_into_a_file(
    trimming: Classifier, full_width: Classifier, files: TrunkFiles
) -> None:
    rows = padded([*SEQUENCES, SEQUENCES[2]])
    for classifier in (trimming, full_width):
        expected, _ = TrunkStore().get(classifier, "w", rows, 2)
        first, spent = TrunkStore(ONE_ROW, files).get(classifier, "w", rows, 2)
        assert spent == 0
        again, spent = TrunkStore(ONE_ROW, files).get(classifier, "w", rows, 2)
        assert spent == pytest.approx(first.seconds)
        for found in (first, again):
            assert found.rows.depth > 0
            torch.testing.assert_close(of(found.rows), of(expected.rows))
            picked, same = found.rows.take(torch.tensor([3, 0])), expected.rows.take(torch.tensor([3, 0]))
            torch.testing.assert_close(of(picked), of(same))


def test_a_deeper_trunk_starts_from_one_on_disk(full_width: Classifier, files: TrunkFiles) -> None:
    store, rows = TrunkStore(ONE_ROW, files), padded(SEQUENCES)
    shallow, _ = store.get(full_width, "w", rows, 1)
    calls = count_calls(full_width.backbone.h[0])
    _, spent = store.get(full_width, "w", rows, 2)
    assert spent == shallow.seconds
    assert calls == []


def truncate(states: Path, _description: Path) -> None:
    os.truncate(states, states.stat().st_size - 4)


def flip(states: Path, _description: Path) -> None:
    content = bytearray(states.read_bytes())
    content[17] ^= 1
    states.write_bytes(content)


def rewrite(**changes: object) -> Callable[[Path, Path], None]:
    def damage(_states: Path, description: Path) -> None:
        description.write_text(json.dumps(json.loads(description.read_text()) | changes))

    return damage


DAMAGES = {
    "torn states": truncate,
    "a flipped bit": flip,
    "no states": lambda states, _: states.unlink(),
    "no description": lambda _, description: description.unlink(),
    "a torn description": lambda _, description: os.truncate(description, 20),
    "a foreign description": lambda _, description: description.write_text("[1]"),
    "another shape": rewrite(shape=[4, 8, 15]),
    "another shape of the same size": rewrite(shape=[4, 16, 8]),
    "another checksum": rewrite(crc32=0),
    "no such dtype": rewrite(dtype="float33"),
    "not a dtype": rewrite(dtype="nn"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_computed_again(
    full_width: Classifier, files: TrunkFiles, damage: Callable[[Path, Path], None]
) -> None:
    rows = padded(SEQUENCES)
    expected = of(TrunkStore(1, files).get(full_width, "w", rows, 2)[0].rows).clone()
    (name,) = whole_files(files)
    damage(files.folder / f"{name}.states", files.folder / f"{name}.json")
    assert not is_shared(TrunkStore(1, files), full_width, rows, "w", 2)
    assert torch.equal(of(TrunkStore(1, files).get(full_width, "w", rows, 2)[0].rows), expected)
    assert whole_files(files) == [name]


def test_the_folder_keeps_to_its_limit(full_width: Classifier, tmp_path: Path) -> None:
    files = TrunkFiles(tmp_path, limit_bytes=2 * ONE_ROW)
    names: list[str] = []
    for number in range(3):
        TrunkStore(1, files).get(full_width, "w", rows_number(number), 1)
        (new,) = set(whole_files(files)) - set(names)
        names.append(new)
        os.utime(files.folder / f"{new}.json", (number, number))
        if number == 1:  # the first is used again: the second is now the older one
            assert is_shared(TrunkStore(1, files), full_width, rows_number(0), "w", 1)
    assert whole_files(files) == sorted([names[0], names[2]])
    assert sum(path.stat().st_size for path in tmp_path.glob("*.states")) == 2 * ONE_ROW


def test_states_without_a_description_count_and_go(full_width: Classifier, tmp_path: Path) -> None:
    """A process was killed while it computed."""
    orphan = tmp_path / "orphan.states"
    orphan.write_bytes(bytes(ONE_ROW))
    TrunkStore(1, TrunkFiles(tmp_path, ONE_ROW)).get(full_width, "w", rows_number(0), 1)
    assert not orphan.exists()


@pytest.mark.parametrize("limit", [0, ONE_ROW - 1])
def test_without_room_on_disk_it_is_computed_in_memory(
    full_width: Classifier, tmp_path: Path, limit: int
) -> None:
    store = TrunkStore(1, TrunkFiles(tmp_path, limit))
    found, _ = store.get(full_width, "w", rows_number(0), 1)
    torch.testing.assert_close(
        of(found.rows), of(TrunkStore().get(full_width, "w", rows_number(0), 1)[0].rows)
    )
    assert list(tmp_path.glob("*.states")) == []


def test_a_full_disk_is_no_room(
    full_width: Classifier, files: TrunkFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    found, _ = TrunkStore(1, files).get(full_width, "w", rows_number(0), 1)
    assert found.rows.depth > 0
    assert list(files.folder.glob("*.states")) == []


def test_what_cannot_be_described_is_this_process_own(
    full_width: Classifier, files: TrunkFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    expected = of(TrunkStore().get(full_width, "w", rows_number(0), 1)[0].rows)
    store = TrunkStore(1, files)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert torch.equal(of(store.get(full_width, "w", rows_number(0), 1)[0].rows), expected)
    assert is_shared(store, full_width, rows_number(0), "w", 1)
    assert not is_shared(TrunkStore(1, files), full_width, rows_number(0), "w", 1)


def test_a_folder_that_cannot_be_is_no_room(full_width: Classifier, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = TrunkStore(1, TrunkFiles(tmp_path / "file" / "trunks"))
    expected = of(TrunkStore().get(full_width, "w", rows_number(0), 1)[0].rows)
    assert torch.equal(of(store.get(full_width, "w", rows_number(0), 1)[0].rows), expected)


def test_what_another_process_is_at_is_not_removed(full_width: Classifier, tmp_path: Path) -> None:
    files = TrunkFiles(tmp_path, ONE_ROW)
    being_filled = tmp_path / "theirs.states"
    being_filled.write_bytes(bytes(ONE_ROW))
    with files.lock("theirs") as mine:
        assert mine
        TrunkStore(1, files).get(full_width, "w", rows_number(0), 1)
        assert being_filled.exists()
    TrunkStore(1, files).get(full_width, "w", rows_number(0), 1)
    assert not being_filled.exists()


def compute_in_a_process(folder: Path, ready: object, told: object) -> None:
    torch.set_num_threads(1)
    gpt = random_gpt(SHAPE, 0)
    classifier = build_classifier(gpt, 2, Recipe(), Engine("fast"), 0)
    ready.wait()  # type: ignore[attr-defined]
    _, spent_before = TrunkStore(1, TrunkFiles(folder)).get(classifier, "w", padded(SEQUENCES), 2)
    told.put(spent_before)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_two_processes_that_want_the_same_trunk_compute_it_once(files: TrunkFiles) -> None:
    context = multiprocessing.get_context("spawn")
    ready, told = context.Barrier(2), context.Queue()
    both = [context.Process(target=compute_in_a_process, args=(files.folder, ready, told)) for _ in range(2)]
    for process in both:
        process.start()
    spent = sorted(told.get(timeout=120) for _ in both)
    for process in both:
        process.join()
    assert spent[0] == 0 < spent[1]
    assert len(whole_files(files)) == 1


def hold_lock(folder: Path, name: str, taken: object) -> None:
    with TrunkFiles(folder).lock(name):
        taken.set()  # type: ignore[attr-defined]
        signal.pause()


def test_a_lock_is_given_back_when_its_owner_is_killed(files: TrunkFiles) -> None:
    context = multiprocessing.get_context("spawn")
    taken = context.Event()
    owner = context.Process(target=hold_lock, args=(files.folder, "x", taken))
    owner.start()
    assert taken.wait(60)
    with files.lock("x", wait=False) as mine:
        assert not mine
    assert owner.pid is not None
    os.kill(owner.pid, signal.SIGKILL)
    owner.join()
    with files.lock("x") as mine:
        assert mine


def test_what_is_forgotten_is_computed_again_or_read_from_its_file(
    full_width: Classifier, files: TrunkFiles
) -> None:
    in_memory, on_disk = TrunkStore(10**9, files), TrunkStore(1, files)
    for store, found_again in ((in_memory, False), (on_disk, True)):
        store.get(full_width, "w", rows_number(0), 1)
        store.forget()
        assert is_shared(store, full_width, rows_number(0), "w", 1) == found_again


def test_what_was_not_asked_for_since_the_last_time_is_let_go(full_width: Classifier) -> None:
    store, (a, b) = TrunkStore(10**9), (rows_number(number) for number in range(2))
    for rows in (a, b):
        store.get(full_width, "w", rows, 1)
    store.forget_unused()
    assert is_shared(store, full_width, b, "w", 1)
    store.forget_unused()
    assert is_shared(store, full_width, b, "w", 1)
    assert not is_shared(store, full_width, a, "w", 1)


def test_the_budget_is_a_share_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    store = TrunkStore()
    assert store.memory_bytes(cpu) == 300
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10))
    assert store.memory_bytes(cpu) == 300  # found once
    assert TrunkStore(memory_bytes=7).memory_bytes(cpu) == 7
