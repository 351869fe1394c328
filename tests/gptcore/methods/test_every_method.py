"""What must hold for every method, whatever it puts into a backbone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gptcore import Engine, TextClassifier, fit
from gptcore.data.datasets import Dataset
from gptcore.data.prompted import FIRST_PROMPT_ID
from gptcore.data.rows import Rows
from gptcore.errors import UserError
from gptcore.methods.base import Method
from gptcore.methods.existing import BitFit, LnTuning
from gptcore.methods.layers import All, TopBlocks
from gptcore.methods.lora import Lora
from gptcore.methods.prefix import Prefix
from gptcore.methods.prompts import Prompt, PTuning
from gptcore.methods.wrapped import AdaLora, Boft, Dora, Ia3, Oft, Pissa, Vera, Wrapped
from gptcore.recipe import Recipe, make_recipe
from gptcore.training.build import build_classifier

METHODS: list[Method] = [
    *(Dora(rank=2), Pissa(rank=3, alpha=3), Vera(rank=4), AdaLora(rank=3, mean_rank=2), Oft(block_size=4)),
    *(Boft(block_size=2, factors=1), Ia3(targets=("c_attn", "mlp.c_proj"), feedforward=("mlp.c_proj",))),
    *(Lora(rank=2, top=1), Lora(rank=2, bias="all"), Lora(rank=2, bias="lora_only")),
    *(Prompt(n=3), PTuning(n=3, hidden=32), Prefix(n=3), Prefix(n=3, top=1)),
    *(Lora(rank=2), LnTuning(), BitFit(), TopBlocks(k=1), All(), Dora(rank=2, top=1), LnTuning(top=1)),
]
WRAPPED = [method for method in METHODS if isinstance(method, Wrapped)]
TEXTS = [f"{'buy now' if i % 2 else 'see you at'} {i} {'!' * (i % 5)}" for i in range(30)]


def name(method: object) -> str | None:
    if not isinstance(method, Method):
        return ""
    bias = getattr(method, "bias", "none")
    return (
        method.kind
        + ("-top" if getattr(method, "top", None) else "")
        + (f"-{bias}" if bias != "none" else "")
    )


def with_prompt(rows: Rows, n: int) -> Rows:
    """Rows that are padded on the right, with n prompt tokens before each."""
    prompt = torch.arange(FIRST_PROMPT_ID, FIRST_PROMPT_ID + n).expand(len(rows), n)
    return replace(rows, values=torch.cat([prompt, rows.values], dim=1), lengths=rows.lengths + n)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset.from_texts(TEXTS, [i % 2 for i in range(len(TEXTS))])


@pytest.mark.parametrize("method", METHODS, ids=name)
@pytest.mark.parametrize("engine", ["plain", "fast"])
def test_a_change_of_any_trained_tensor_changes_the_logits(toy_gpt, toy_labelled, method, engine) -> None:
    """The shortcut of the block that is read at one position must not read past an adapter's layer."""
    recipe = Recipe(position="last_real").with_method(method)
    classifier = build_classifier(toy_gpt(), 2, recipe, Engine(engine), 0).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in classifier.trained_parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
    rows = with_prompt(toy_labelled(6).rows, method.n_prompt)
    before = classifier(rows).detach()
    for name, p in classifier.named_parameters():
        if not p.requires_grad:
            continue
        kept = p.detach().clone()
        with torch.no_grad():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
            change = float((classifier(rows) - before).abs().max())
            p.copy_(kept)
        assert change > 1e-5, f"{name} learns and changes nothing"
    torch.testing.assert_close(classifier(rows), before)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_both_engines_train_alike(data, method: Method) -> None:
    """An adapter with dropout draws other numbers for other rows; none has any here."""
    recipe = Recipe(model="nano", position="last_real", lr=1e-3, epochs=2, batch_size=4).with_method(method)
    fast, plain = (fit(recipe, data, 1, Engine(engine), "cpu") for engine in ("fast", "plain"))
    assert fast.losses == pytest.approx(plain.losses, abs=2e-4)
    assert fast.losses[-1] != fast.losses[0]
    assert fast.n_trained == plain.n_trained > 0


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_a_classifier_is_loaded_as_it_was_saved(data, tmp_path: Path, method: Method) -> None:
    recipe = Recipe(model="nano", position="last_real", lr=3e-3, epochs=1, batch_size=4).with_method(method)
    classifier = fit(recipe, data, 1, Engine(), "cpu").classifier
    classifier.save(tmp_path)
    loaded = TextClassifier.load(tmp_path)
    assert (loaded.predict_proba(TEXTS) == classifier.predict_proba(TEXTS)).all()


@pytest.mark.parametrize("method", WRAPPED, ids=name)
def test_a_merged_model_computes_the_same_without_wrappers(toy_gpt, method: Method) -> None:
    backbone = toy_gpt().eval()
    plain = [type(module) for module in backbone.modules()]
    adapter = method.attach(backbone, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in backbone.parameters():
            if p.requires_grad:
                p.add_(0.2 * torch.randn(p.shape, generator=generator))
    backbone.eval()
    tokens = torch.randint(backbone.info.vocab_size, (3, 7), generator=generator)
    before = backbone(tokens)
    adapter.merge()
    assert [type(module) for module in backbone.modules()] == plain
    torch.testing.assert_close(backbone(tokens), before, rtol=1e-4, atol=1e-5)


def test_adalora_ends_with_its_budget(data) -> None:
    method = AdaLora(rank=4, mean_rank=2)
    recipe = Recipe(model="nano", position="last_real", lr=1e-2, epochs=4, batch_size=4).with_method(method)
    fitted = fit(recipe, data, 1, Engine(), "cpu")
    found = [
        module.lora_E["default"].detach().flatten()
        for module in fitted.classifier.predictor.network.modules()
        if hasattr(module, "lora_E")
    ]
    left = sum(int((values != 0).sum()) for values in found)
    assert left <= method.mean_rank * len(found) < sum(map(len, found))


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (Oft(block_size=7), "block_size = 7 does not divide the"),
        (Boft(block_size=2), "boft: factors = 2: peft multiplies rotations only with an extension"),
        (Boft(block_size=7), r"boft: block_size = 7 \* 2 \*\* 1 does not divide the 16 inputs"),
        (Dora(targets=("q_proj",)), "q_proj is not a linear layer of a block"),
        (Ia3(targets=("c_fc",), feedforward=("c_attn",)), "feedforward"),
    ],
    ids=name,
)
def test_what_does_not_fit_is_refused(toy_gpt, method: Method, said: str) -> None:
    with pytest.raises(UserError, match=said):
        method.attach(toy_gpt(), torch.Generator())


def test_a_missing_library_is_named(toy_gpt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(UserError, match=r"needs the peft library: pip install -e .\[hf\]"):
        Dora().attach(toy_gpt(), torch.Generator())


@pytest.mark.parametrize("method", [Prompt(n=4), PTuning(n=4), Prefix(n=4), Prefix(n=4, top=1)], ids=name)
@pytest.mark.parametrize(
    ("padding", "attend_padding"),
    [("right", True), ("right", False), ("left", True), ("left", False), ("none", True)],
)
def test_a_prompt_stands_before_each_text_however_it_is_padded(data, method, padding, attend_padding) -> None:
    """Where padding is hidden or absent, the answers are those of a text alone."""
    fields = {"padding": padding, "attend_padding": attend_padding, "position": "last_real"}
    recipe = Recipe(model="nano", lr=1e-2, epochs=1, batch_size=4, **fields).with_method(method)
    fast, plain = (fit(recipe, data, 1, Engine(engine), "cpu") for engine in ("fast", "plain"))
    assert fast.losses == pytest.approx(plain.losses, abs=2e-4)
    if padding != "left" or not attend_padding:
        together = fast.classifier.predict_proba(TEXTS[:5])
        alone = [fast.classifier.predict_proba([text])[0] for text in TEXTS[:5]]
        assert together == pytest.approx(np.array(alone), abs=1e-5)


def test_a_prefix_takes_no_room_in_the_context_and_is_no_longer_than_it(data, toy_gpt) -> None:
    recipe = Recipe(model="nano", position="last_real", epochs=1)
    lengths = [fit(recipe.with_method(m), data, 1, Engine(), "cpu").inputs for m in (Prefix(n=8), All())]
    assert lengths[0].length == lengths[1].length  # type: ignore[union-attr]
    with pytest.raises(UserError, match="n = 10000: they start as a text, and the model reads"):
        Prefix(n=10_000).attach(toy_gpt(), torch.Generator())


def test_blocks_below_the_lowest_prefix_are_computed_once(data) -> None:
    """The trunk is that of other methods: texts stand at the same positions."""
    engine = Engine()
    recipe = Recipe(model="nano", position="last_real", epochs=1, batch_size=4)
    fit(recipe.with_method(TopBlocks(k=1)), data, 1, engine, "cpu")
    found = fit(recipe.with_method(Prefix(n=3, top=1)), data, 1, engine, "cpu")
    assert found.borrowed_s > 0


def test_a_prompt_takes_room_in_the_context(data) -> None:
    recipe = Recipe(model="nano", position="last_real", context=12, epochs=1).with_method(Prompt(n=8))
    inputs = fit(recipe, data, 1, Engine(), "cpu").inputs
    assert inputs is not None
    assert inputs.tokens_per_row == 12
    assert inputs.train.lengths.max() == 12
    assert inputs.n_truncated > 0
    with pytest.raises(UserError, match="puts 8 special tokens around a text"):
        fit(recipe.model_copy(update={"context": 8}), data, 1, Engine(), "cpu")


def test_a_head_on_the_prompt_itself_is_refused() -> None:
    with pytest.raises(UserError, match="position = 'first' reads the first token of the prompt"):
        make_recipe({"train": "prompt", "position": "first"})
