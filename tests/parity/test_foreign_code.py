"""Code that lies in a checkpoint's folder never runs, whatever its configs ask for."""

import json
import os
from pathlib import Path

import pytest
import torch
import transformers.dynamic_module_utils
from transformers import AutoModel, AutoModelForSequenceClassification

from gptcore.backbones import hf_load
from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.backbones.checkpoints import known_config
from gptcore.backbones.families import FAMILIES
from gptcore.backbones.hf_config import HFConfig
from gptcore.data.rows import Rows
from gptcore.engine.attention import RowAttention
from gptcore.errors import UserError
from gptcore.padding.model import load_probed
from tests.parity.test_hf_checkpoints import save_tokenizer
from tests.parity.toys import save_toy

CODE = """
import os
from transformers import LlamaModel, LlamaConfig
os.environ["FOREIGN_CODE_HAS_RUN"] = "yes"
class Config(LlamaConfig): pass
class Model(LlamaModel):
    config_class = Config
class Tokenizer: pass
"""
MODELS = ("AutoModel", "AutoModelForCausalLM", "AutoModelForSequenceClassification")
OFFERED = {"AutoConfig": "foreign.Config"} | dict.fromkeys(MODELS, "foreign.Model")


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `transformers` would copy the code to, and the code's mark unset."""
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.delenv("FOREIGN_CODE_HAS_RUN", raising=False)


def offer(folder: Path) -> None:
    """Put code into a folder, and have its configs name it."""
    (folder / "foreign.py").write_text(CODE)
    for name, auto_map in (
        ("config.json", OFFERED),
        ("tokenizer_config.json", {"AutoTokenizer": ["foreign.Tokenizer", None]}),
    ):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": auto_map}))


def has_run() -> bool:
    return "FOREIGN_CODE_HAS_RUN" in os.environ


def test_the_code_would_run_if_it_were_trusted(tmp_path: Path) -> None:
    save_toy("llama", tmp_path / "toy")
    save_tokenizer(tmp_path / "toy", around=False)
    offer(tmp_path / "toy")
    AutoModel.from_pretrained(tmp_path / "toy", trust_remote_code=True)
    assert has_run()


# GPT-2 has this project's own reader, which refuses `auto_map` as a key: see test_gpt2_config.py
@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "gpt2"])
def test_a_family_is_loaded_without_it(family: str, tmp_path: Path) -> None:
    folder, tokens = tmp_path / "toy", torch.tensor([[5, 9, 7]])
    backbone = save_toy(family, folder)
    save_tokenizer(folder, around=False)
    offer(folder)
    config = known_config(folder)
    assert isinstance(config, HFConfig)
    attend = RowAttention(backbone.info.abilities.causal)
    with torch.no_grad():
        found, expected = (
            each.run(Rows.whole(tokens), attend) for each in (hf_load.load_hf(folder, config), backbone)
        )
    torch.testing.assert_close(found, expected)
    assert checkpoint_tokenizer(str(folder)).encode_batch(("win prize",)) == [[4, 5]]
    assert not has_run()


def test_a_classifier_is_probed_without_it(tmp_path: Path) -> None:
    save_toy("llama", tmp_path / "base")
    folder = tmp_path / "toy"
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "base").save_pretrained(folder)
    save_tokenizer(folder, around=False)
    offer(folder)
    probed, _ = load_probed(str(folder))
    assert type(probed.model).__module__.startswith("transformers.")
    assert not has_run()


def test_an_architecture_that_is_only_in_it_is_refused(tmp_path: Path) -> None:
    save_toy("llama", tmp_path / "toy")
    save_tokenizer(tmp_path / "toy", around=False)
    offer(tmp_path / "toy")
    path = tmp_path / "toy" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "foreign"}))
    with pytest.raises(UserError, match='model_type = "foreign" is not supported'):
        known_config(tmp_path / "toy")
    with pytest.raises(UserError, match="cannot be loaded as a sequence classifier"):
        load_probed(str(tmp_path / "toy"))
    assert not has_run()
