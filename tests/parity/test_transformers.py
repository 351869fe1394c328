"""Our GPT-2 against `transformers`' on the same weights, carried over through saved checkpoints."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from gptcore.backbones.weights import load_gpt, save_gpt
from gptcore.data.rows import pad
from gptcore.engine.attention import RowAttention

TOLERANCE = {"rtol": 0.0, "atol": 1e-4}
SEQUENCES = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [30, 20, 10], [5, 5, 6, 6, 7]]


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(31, (4, 12), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("tie_output", [True, False])
@pytest.mark.parametrize("shape", [{}, {"d_model": 24, "n_layer": 2, "n_head": 3}, {"n_head": 1}])
@torch.no_grad()
def test_their_weights_give_their_logits(tmp_path, toy_config, hf_gpt2, tokens, tie_output, shape):
    theirs = hf_gpt2(toy_config(tie_output=tie_output, **shape))
    theirs.save_pretrained(tmp_path)
    ours = load_gpt(tmp_path)
    expected = theirs(tokens).logits
    assert expected.std() > 1  # far above the tolerance
    torch.testing.assert_close(ours.lm_logits(tokens), expected, **TOLERANCE)
    torch.testing.assert_close(ours(tokens), theirs.transformer(tokens).last_hidden_state, **TOLERANCE)


@pytest.mark.parametrize("tie_output", [True, False])
@torch.no_grad()
def test_our_checkpoint_opens_there(tmp_path, toy_gpt, tokens, tie_output):
    ours = toy_gpt(tie_output=tie_output)
    save_gpt(ours, tmp_path)
    theirs, report = GPT2LMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    torch.testing.assert_close(theirs.eval()(tokens).logits, ours.lm_logits(tokens), **TOLERANCE)


@pytest.mark.parametrize("side", ["right", "left"])
@torch.no_grad()
def test_padding_is_masked_as_theirs(tmp_path, toy_config, hf_gpt2, side):
    theirs = hf_gpt2(toy_config())
    theirs.save_pretrained(tmp_path)
    ours = load_gpt(tmp_path)
    rows = pad(SEQUENCES, length=10, pad_id=0, side=side)
    positions = (rows.real.cumsum(dim=1) - 1).clamp(min=0)
    expected = theirs.transformer(
        rows.values, attention_mask=rows.real.long(), position_ids=positions
    ).last_hidden_state
    hidden = ours(rows.values, RowAttention(real=rows.real, positions=positions))
    torch.testing.assert_close(hidden[rows.real], expected[rows.real], **TOLERANCE)
    alone = torch.cat([ours(torch.tensor([sequence]))[0] for sequence in SEQUENCES])
    torch.testing.assert_close(hidden[rows.real], alone, **TOLERANCE)


@torch.no_grad()
def test_gradients_are_theirs(tmp_path, toy_config, hf_gpt2, tokens):
    theirs = hf_gpt2(toy_config())
    theirs.save_pretrained(tmp_path)
    ours = load_gpt(tmp_path)
    with torch.enable_grad():
        ours.lm_logits(tokens).logsumexp(dim=2).mean().backward()
        theirs(tokens).logits.logsumexp(dim=2).mean().backward()
    expected = {name.removeprefix("transformer."): p.grad for name, p in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        grad = (
            parameter.grad.t()
            if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))
            else parameter.grad
        )
        torch.testing.assert_close(grad, expected[name], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_124m_random_weights_give_their_logits(tmp_path):
    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(GPT2Config(attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)).eval()
    theirs.save_pretrained(tmp_path)
    ours = load_gpt(tmp_path)
    tokens = torch.randint(50257, (2, 128), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours.lm_logits(tokens), theirs(tokens).logits, **TOLERANCE)
