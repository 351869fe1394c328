"""`transformers`' GPT-2 at toy size, to be compared with ours."""

from collections.abc import Callable

import pytest
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

from gptcore.backbones.config import ModelConfig

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def make_hf_gpt2(config: ModelConfig, seed: int = 0) -> GPT2LMHeadModel:
    """Their model of that shape without dropout, every parameter random and well away from zero."""
    model = GPT2LMHeadModel(
        GPT2Config(
            n_embd=config.d_model,
            n_layer=config.n_layer,
            n_head=config.n_head,
            n_positions=config.context,
            vocab_size=config.vocab_size,
            tie_word_embeddings=config.tie_output,
            attn_pdrop=0.0,
            embd_pdrop=0.0,
            resid_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            mean = 1.0 if "ln_" in name and name.endswith("weight") else 0.1
            parameter.normal_(mean, 0.3, generator=generator)
    return model.eval()


@pytest.fixture(scope="session")
def hf_gpt2() -> Callable[..., GPT2LMHeadModel]:
    return make_hf_gpt2
