"""Each cause is planted in a toy of transformers, and named; a sound model is called clean."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers.modeling_outputs import SequenceClassifierOutput

from gptcore.errors import UserError
from gptcore.padding.model import Probed, padded
from gptcore.padding.probe import probe
from gptcore.padding.report import SIDES, PaddingReport, Side, as_json, as_markdown, as_text

PAD, CONTEXT = 1, 48
SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "vocab_size": 64,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": PAD,
}
ROWS = [
    torch.randint(3, 64, (n,), generator=torch.Generator().manual_seed(n)).tolist() for n in range(3, 24, 2)
]
SOUND = {
    "gpt2": ("right",),
    "llama": SIDES,
    "bert": ("right",),
    "roberta": ("right",),
}  # where they may be padded


def toy(family: str, n_labels: int = 3, **changes: object) -> Probed:
    """A classifier of two blocks whose every parameter matters."""
    config = AutoConfig.for_model(family, **(SHAPE | {"num_labels": n_labels} | changes))
    model = AutoModelForSequenceClassification.from_config(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.5, generator=generator)
    return Probed(family, model, PAD, "right", context=32, more=16)


def head_on(model: Any, read: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    """Plant a head that reads what `read` makes of hidden states (B, T, D) and mask (B, T)."""

    def forward(
        input_ids: torch.Tensor, attention_mask: torch.Tensor, position_ids: Any = None, **more: Any
    ) -> Any:
        trunk = getattr(model, model.base_model_prefix)
        found = trunk(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, **more)
        logits = model.score(read(found.last_hidden_state, attention_mask))
        return SequenceClassifierOutput(logits=logits, hidden_states=(found.last_hidden_state,))

    model.forward = forward


def names(report: PaddingReport, side: Side | None) -> set[str]:
    return {cause.name for found in report.outcomes if found.way.side == side for cause in found.causes}


@pytest.mark.parametrize("family", SOUND)
def test_a_sound_model_is_clean(family: str) -> None:
    report = probe(toy(family), ROWS, SOUND[family])
    assert report.is_clean
    assert report.verdict == "clean: no answer changes with padding"
    assert all(found.n_flipped == 0 and not found.causes for found in report.outcomes)
    assert len(report.outcomes) == 1 + 3 * len(SOUND[family])


def test_differences_are_those_of_the_model_itself() -> None:
    model = toy("gpt2")
    report = probe(model, ROWS)
    for found in report.outcomes:
        if found.way.side is None or found.way.batched:
            continue
        with torch.no_grad():
            alone = torch.cat([model.model(torch.tensor([row])).logits for row in ROWS])
            ids, mask = padded(ROWS, found.way.side, 23 + 16, PAD)
            logits = model.model(ids, attention_mask=mask).logits
        assert found.largest == pytest.approx(float((logits - alone).abs().max()), abs=1e-4)
        assert found.n_flipped == int((logits.argmax(1) != alone.argmax(1)).sum())


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_positions_that_count_padding(family: str) -> None:
    report = probe(toy(family), ROWS)
    assert report.changes("left")
    assert not report.changes("right")
    assert "positions not shifted" in names(report, "left")
    assert report.verdict.endswith("on the right, where the tokenizer pads, they do not")


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_no_pad_token_in_the_config(family: str) -> None:
    report = probe(toy(family, pad_token_id=None), ROWS, ["right"])
    assert names(report, "right") == names(report, None) == {"no pad token"}
    refused = [found.refused is not None for found in report.outcomes]
    assert refused == [True, True, False, True]  # only a text alone is answered, and wrongly
    assert report.outcomes[2].largest > 0.1
    assert report.verdict.startswith("3 ways are refused; answers change with padding on the right")


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_another_pad_token_in_the_config(family: str) -> None:
    report = probe(toy(family, pad_token_id=2), ROWS, ["right"])
    assert names(report, "right") == {"another pad token"}
    assert not report.changes(None)


def test_the_config_is_as_before() -> None:
    model = toy("gpt2", pad_token_id=None)
    probe(model, ROWS)
    assert model.model.config.pad_token_id is None


@pytest.mark.parametrize(
    ("read", "wrong", "cause"),
    [
        (lambda hidden, _: hidden[:, -1], {"right"}, "position read from the wrong side"),
        (
            lambda hidden, mask: hidden[torch.arange(len(mask)), mask.sum(1) - 1],
            {"left"},
            "position read from the wrong side",
        ),
        (lambda hidden, _: hidden[:, 0], {"left"}, "position read from the wrong side"),
        (lambda hidden, _: hidden.mean(1), {"right", "left"}, "padding is read"),
    ],
    ids=["column -1", "column n - 1", "column 0", "mean"],
)
def test_a_head_that_reads_padding(read: Any, wrong: set[str], cause: str) -> None:
    model = toy("llama")
    head_on(model.model, read)
    report = probe(model, ROWS)
    assert {side for side in SIDES if report.changes(side)} == wrong
    for side in wrong:
        assert names(report, side) == {cause}  # type: ignore[arg-type]


def test_a_head_that_leaves_padding_out_is_clean() -> None:
    model = toy("llama")
    head_on(model.model, lambda hidden, mask: (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
    assert probe(model, ROWS).is_clean


@pytest.mark.parametrize(("family", "side"), [("bert", "right"), ("llama", "left")])
def test_a_mask_that_is_ignored(family: str, side: Side) -> None:
    model = toy(family)
    real = model.model.forward
    model.model.forward = lambda attention_mask, **more: real(**more)  # type: ignore[method-assign]  # noqa: ARG005
    report = probe(model, ROWS, [side])
    assert names(report, side) == {"attention mask ignored"}


def test_two_causes_at_once() -> None:
    model = toy("llama", pad_token_id=None)
    real = model.model.forward
    model.model.forward = lambda attention_mask, **more: real(**more)  # type: ignore[method-assign]  # noqa: ARG005
    report = probe(model, ROWS)
    assert names(report, "right") == {"no pad token"}
    assert names(report, "left") == {"no pad token", "attention mask ignored"}


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_the_size_of_logits_does_not_matter(scale: float, offset: float) -> None:
    report = probe(toy("bert"), ROWS)
    model = toy("bert")
    head = model.model.classifier
    with torch.no_grad():
        head.weight *= scale
        head.bias.copy_(head.bias * scale + offset * scale)
    scaled = probe(model, ROWS)
    assert (scaled.verdict, scaled.is_clean) == (report.verdict, False)
    assert [found.n_flipped for found in scaled.outcomes] == [found.n_flipped for found in report.outcomes]
    assert names(scaled, "left") == names(report, "left")
    assert not scaled.changes("right")


def test_a_model_that_hardly_tells_texts_apart_is_not_blamed_for_rounding() -> None:
    model = toy("bert")
    with torch.no_grad():
        model.model.classifier.weight *= 1e-9
        model.model.classifier.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    assert probe(model, ROWS).is_clean


def test_a_flipped_answer_is_never_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    def report(unpadded: int, padded: int) -> PaddingReport:
        """Of a model whose logits stay the same, with so many answers flipped."""
        n_flipped = iter([unpadded, padded, padded, padded])
        monkeypatch.setattr(
            "gptcore.padding.probe._is_flipped", lambda *_: torch.arange(len(ROWS)) < next(n_flipped)
        )
        return probe(toy("bert"), ROWS, ["right"])

    assert report(0, 0).is_clean
    flips = report(0, 1)
    assert (flips.is_clean, flips.verdict) == (False, "answers change with padding on the right")
    anyway = report(1, 1)
    assert not anyway.is_clean
    assert (anyway.changes(None), anyway.changes("right")) == (True, False)


def test_answers_that_chance_changes() -> None:
    model = toy("gpt2", embd_pdrop=0.5)
    model.model.train()
    report = probe(model, ROWS, ["right"])
    assert names(report, None) == {"answers not repeatable"}
    assert "without any padding" in report.verdict


def test_what_is_not_understood_is_said() -> None:
    model = toy("llama")
    real = model.model.forward

    def forward(input_ids: torch.Tensor, **more: Any) -> Any:
        found = real(input_ids=input_ids, **more)
        found.logits = found.logits * input_ids.shape[1]
        return found

    model.model.forward = forward  # type: ignore[method-assign]
    assert names(probe(model, ROWS), "right") == {"unknown"}


def test_one_output_has_no_prediction_to_flip() -> None:
    model = toy("gpt2", n_labels=1, pad_token_id=2)
    report = probe(model, ROWS, ["right"])
    assert not report.is_clean
    assert {found.n_flipped for found in report.outcomes} == {0}


def test_a_text_without_tokens_is_refused() -> None:
    with pytest.raises(UserError, match="a text has no tokens"):
        probe(toy("gpt2"), [*ROWS, []])


def test_the_reports_say_the_same() -> None:
    import json

    report = probe(toy("gpt2"), ROWS)
    content = json.loads(as_json(report))
    assert content["clean"] is False
    assert content["verdict"] == report.verdict
    assert [each["changed"] for each in content["outcomes"]] == [False] * 4 + [True] * 3
    for text in (as_text(report), as_markdown(report)):
        assert "positions not shifted" in text
        assert report.verdict[1:] in text
    assert as_markdown(report).count("\n| ") == 8
