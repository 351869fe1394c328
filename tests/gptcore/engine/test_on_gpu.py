"""What only a GPU can show: its kernels, its memory, and when it is waited for. `pytest -m gpu`.

Toy models, as elsewhere; the reference is the plain engine in float64 on the CPU.
"""

import warnings
from collections.abc import Iterator

import pytest
import torch

from gptcore.data.rows import Rows
from gptcore.engine.trunk import compute_trunk
from gptcore.recipe import Recipe
from gptcore.training.evaluate import predict_logits
from gptcore.training.loop import Labelled, train
from gptcore.training.timing import PeakMemory, Phases

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda")
WIDE = {"d_model": 256, "n_head": 4, "context": 256}  # whose heads the fused kernels take
LAYOUTS = [
    {"position": "last"},
    {"position": "last_real"},
    {"position": "mean"},
    {"attend_padding": False, "attention": "bidirectional", "position": "mean_real"},
    {"padding": "left", "attend_padding": False},
]
TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}


def on_gpu(data: Labelled) -> Labelled:
    return Labelled(data.rows.to(CUDA), data.labels)


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double().cpu() - expected).norm() / expected.norm())


@pytest.mark.parametrize("changes", LAYOUTS)
@pytest.mark.parametrize(
    ("engine", "precision"), [("plain", "float32"), ("fast", "float32"), ("fast", "bfloat16")]
)
def test_logits_are_the_reference(toy_classifier, toy_labelled, engine, changes, precision):
    recipe = Recipe(**changes)
    rows = toy_labelled(40, side=recipe.padding).rows
    reference = toy_classifier(recipe, "plain", **WIDE).double()
    expected = predict_logits(reference, rows)
    classifier = toy_classifier(recipe, engine, **WIDE).to(CUDA)
    classifier.precision = precision
    if engine == "fast":
        rows = toy_labelled(40, side=classifier.layout.side).rows
    assert error(predict_logits(classifier, rows.to(CUDA)), expected) < TOLERANCE[precision]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("how", ["last_block", "all", "lora"])
@pytest.mark.parametrize("position", ["last", "last_real"])
def test_training_with_fused_adamw_is_the_cpus(toy_classifier, toy_labelled, how, position, precision):
    recipe = Recipe(train=how, position=position, lr=1e-4, epochs=2, batch_size=4, lora_rank=4, clip_norm=1.0)
    data = toy_labelled(40)
    expected = train(
        toy_classifier(recipe, "fast", **WIDE), recipe, data, data, 0, Phases(torch.device("cpu"))
    )
    classifier = toy_classifier(recipe, "fast", **WIDE).to(CUDA)
    classifier.precision = precision
    found = train(classifier, recipe, on_gpu(data), on_gpu(data), 0, Phases(CUDA))
    assert found.losses == pytest.approx(expected.losses, rel=TOLERANCE[precision])
    assert not [note for note in found.notes if "graph" in note]


@pytest.fixture
def small_memory() -> Iterator[None]:
    """Half a gigabyte above what is allocated now."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(CUDA).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**29) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def long_rows(n: int) -> Rows:
    return Rows.whole(torch.randint(30, (n, 256), generator=torch.Generator().manual_seed(0))).to(CUDA)


def test_training_takes_fewer_rows_where_memory_runs_out(toy_classifier, request):
    recipe = Recipe(train="all", lr=1e-4, epochs=2, batch_size=128)
    rows = long_rows(128)
    data = Labelled(rows, (rows.values[:, -1] % 2).cpu().numpy())
    classifiers = [toy_classifier(recipe, "fast", **WIDE).to(CUDA) for _ in range(2)]
    expected = train(classifiers[0], recipe, data, data, 0, Phases(CUDA))
    request.getfixturevalue("small_memory")
    found = train(classifiers[1], recipe, data, data, 0, Phases(CUDA))
    assert any("out of memory" in note for note in found.notes)
    assert found.losses == pytest.approx(expected.losses, rel=1e-3)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_trunk_takes_fewer_rows_where_memory_runs_out(toy_classifier, request, depth):
    classifier, rows = toy_classifier(Recipe(), "fast", **WIDE).to(CUDA), long_rows(512)
    expected = compute_trunk(classifier, rows, depth).rows.values.cpu()
    request.getfixturevalue("small_memory")
    found = compute_trunk(classifier, rows, depth).rows.values.cpu()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_predictions_take_fewer_rows_where_memory_runs_out(toy_classifier, request):
    classifier, rows = toy_classifier(Recipe(), "fast", **WIDE).to(CUDA), long_rows(512)
    expected = predict_logits(classifier, rows).cpu()
    request.getfixturevalue("small_memory")
    torch.testing.assert_close(predict_logits(classifier, rows).cpu(), expected, rtol=1e-3, atol=1e-3)


def test_peak_memory_is_what_was_allocated():
    kept = torch.ones(2**20, device=CUDA)
    with PeakMemory(CUDA) as memory:
        for _ in range(3):  # one after the other: the peak is that of one
            torch.ones(2**24, device=CUDA)  # 64 MiB
    assert memory.added_bytes == pytest.approx(2**26, rel=0.05)
    assert memory.peak_bytes >= memory.added_bytes + kept.nbytes


@pytest.mark.parametrize("how", ["last_block", "all", "lora"])
@pytest.mark.parametrize(("position", "waits"), [("last", 0), ("last_real", 1), ("mean_real", 1)])
def test_a_step_waits_once_at_most(toy_classifier, toy_labelled, how, position, waits):
    classifier = toy_classifier(Recipe(train=how, position=position, lora_rank=4), "fast").to(CUDA)
    rows = toy_labelled(12).rows.to(CUDA)
    classifier(rows).sum().backward()  # warms up
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            classifier(rows).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len([w for w in caught if "synchroniz" in str(w.message)]) <= waits
