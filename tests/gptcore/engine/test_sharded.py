"""How rows are divided among processes, and what a classifier must not have for it. See also test_distributed.py."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from gptcore.data.rows import Rows
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.engine.layout import exact_layout
from gptcore.engine.sharded import ShardedEngine, Team, _Shares, shard
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.training.loop import Labelled, train
from gptcore.training.timing import Phases

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 4, 7, 10])
def test_shares_are_all_rows_in_order_and_as_many_in_each(n: int, size: int) -> None:
    rows = Rows.whole(torch.arange(n)[:, None])
    shares = [_Shares(Team(rank, size)).take(nn.Identity(), (rows,))[0] for rank in range(size)]
    assert len({len(share) for share in shares}) == 1
    assert torch.cat([share.values for share in shares])[:n].equal(rows.values)
    assert sum(map(len, shares)) < n + size


@pytest.mark.parametrize(
    "changes", [{}, {"position": "last_real"}, {"padding": "none"}, {"position": "mean"}]
)
def test_rows_are_laid_out_as_in_the_fast_engine(
    changes: dict[str, str], toy_classifier: Callable[..., Classifier]
) -> None:
    recipe = Recipe.model_validate({"train": "all"} | changes)
    info = toy_classifier(recipe).backbone.info
    found, fast = ShardedEngine().layout(recipe, info), exact_layout(recipe, info.abilities)
    assert (found.side, found.causal, found.mask_padding, found.position) == (
        *(fast.side, fast.causal, fast.mask_padding, fast.position),
    )
    assert (found.drop_padding, found.keep_one_pad) == (fast.drop_padding, fast.keep_one_pad)
    # Each block is called once, and no step is recorded as a CUDA graph.
    assert not found.last_block_at_read_positions
    assert not found.whole_steps
    assert not found.one_by_one
    assert not ShardedEngine().is_fast


def test_dropout_that_acts_is_refused_and_such_as_never_does_is_not(
    toy_classifier: Callable[..., Classifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(train={"method": "lora", "dropout": 0.1})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^--nproc: .*c_attn\.dropout drops at random"):
        shard(toy_classifier(recipe), Team(0, 1), CPU)
    classifier = toy_classifier(Recipe(train="all"))
    classifier.backbone.blocks[0].register_module("extra", nn.Dropout(0.5).eval())
    train_mode = nn.Dropout.train
    monkeypatch.setattr(nn.Dropout, "train", lambda self, mode=True: train_mode(self, False))  # noqa: ARG005
    monkeypatch.setattr("gptcore.engine.sharded.DeviceMesh", _no_mesh)
    with pytest.raises(AssertionError, match="nothing was wrong"):
        shard(classifier, Team(0, 1), CPU)


def _no_mesh(*_: object) -> None:
    raise AssertionError("nothing was wrong")


def test_blocks_that_share_a_weight_are_refused(toy_classifier: Callable[..., Classifier]) -> None:
    classifier = toy_classifier(Recipe(train="all"))
    first, second = classifier.backbone.blocks[:2]
    second.mlp.c_fc.weight = first.mlp.c_fc.weight  # type: ignore[union-attr, assignment]
    with pytest.raises(UserError, match=r"h\.1\.mlp\.c_fc shares a weight with another part"):
        shard(classifier, Team(0, 1), CPU)


def test_a_tied_embedding_is_refused(toy_classifier: Callable[..., Classifier]) -> None:
    classifier = toy_classifier(Recipe(train="all"))
    classifier.backbone.blocks[1].register_parameter("tied", classifier.backbone.embedding.weight)
    with pytest.raises(UserError, match=r"shares a weight with another part"):
        shard(classifier, Team(0, 1), CPU)


def test_a_step_without_memory_is_not_tried_again_by_one_of_several(
    toy_classifier: Callable[..., Classifier],
    toy_labelled: Callable[..., Labelled],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_self: Classifier, _rows: Rows) -> None:
        raise torch.OutOfMemoryError("no room")

    recipe, data = Recipe(epochs=1), toy_labelled(8)
    classifier = toy_classifier(recipe)
    classifier.n_processes = 2
    monkeypatch.setattr(Classifier, "forward", refuse)
    with pytest.raises(torch.OutOfMemoryError, match=r"^no room$"):
        train(classifier, recipe, data, data, 0, Phases(CPU))


def test_one_engine_puts_a_classifier_where_it_computes(toy_classifier: Callable[..., Classifier]) -> None:
    classifier = toy_classifier(Recipe())
    Engine().place(classifier, torch.device("meta"))
    assert classifier.device.type == "meta"


def test_an_older_torch_is_refused(
    toy_classifier: Callable[..., Classifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptcore.engine.sharded.FSDPModule", object)
    with pytest.raises(UserError, match=r"^--nproc: torch .* is too old"):
        shard(toy_classifier(Recipe(train="all")), Team(0, 1), CPU)
