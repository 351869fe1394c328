"""`probe-padding` on models that transformers wrote: their folders, and a hub with their files."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification
from typer.testing import CliRunner

from gptcore.backbones.tokenizer_json import tokenizer_files
from gptcore.cli import app
from gptcore.data.tokenizer import load_tokenizer
from gptcore.errors import UserError
from tests.gptcore.backbones.fake_hub import FakeHub, Visitor

SHAPE = {"n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 48, "vocab_size": 8192, "num_labels": 2}
pytestmark = pytest.mark.filterwarnings("ignore")  # the library's own remarks while it writes


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., str]:
    def make(auto: type = AutoModelForSequenceClassification, **changes: object) -> str:
        config = AutoConfig.for_model("gpt2", **(SHAPE | {"pad_token_id": 8191} | changes))
        auto.from_config(config).save_pretrained(tmp_path / "model")  # type: ignore[attr-defined]
        for name, content in tokenizer_files(load_tokenizer("embedded"), 48).items():
            (tmp_path / "model" / name).write_text(content)
        return str(tmp_path / "model")

    return make


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["probe-padding", *map(str, arguments)])
    if isinstance(done.exception, UserError):
        raise done.exception
    return done.exit_code, done.output


def test_the_exit_code_says_whether_answers_change(saved: Callable[..., str], tmp_path: Path) -> None:
    model, out = saved(), tmp_path / "report.md"
    code, output = run(model, "--side", "right", "--out", out)
    assert code == 0, output
    assert "16 texts" in output
    assert "clean: no answer changes with padding" in output
    assert "**Clean: no answer changes with padding.**" in out.read_text()


def test_a_folder_without_a_pad_token(saved: Callable[..., str], tmp_path: Path) -> None:
    texts, out = tmp_path / "texts.csv", tmp_path / "report.json"
    texts.write_text("message,x\nsee you at home,1\nwin a free prize now,2\n,3\nok,4\n")
    code, output = run(saved(pad_token_id=None), "--texts", texts, "--limit", 2, "--out", out)
    assert code == 1, output
    assert "the first 2 of 4 texts" in output
    content = json.loads(out.read_text())
    assert "no pad token" in {cause["name"] for each in content["outcomes"] for cause in each["causes"]}


def test_long_texts_are_cut_and_it_is_said(saved: Callable[..., str], tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("now " * 100 + "\n\nsee you\n")
    code, output = run(saved(), "--texts", texts, "--side", "right")
    assert code == 0, output
    assert "note: 1 text is cut to 36 tokens" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/nowhere"], "no such folder"),
        (["MODEL", "--out", "report.pdf"], "the suffix must be"),
        (["MODEL", "--texts", "ONE"], "padding shows between at least 2"),
        (["MODEL", "--text-column", "a"], "only a CSV, TSV or JSON Lines file has columns"),
        (["OWN"], "is a classifier of `fit`"),
        (["EMPTY"], "has no config.json"),
        (["ONNX"], "holds an ONNX graph"),
        (["GGUF"], "holds a GGUF file"),
        (["PEFT"], "holds a PEFT adapter, which transformers does not open as a whole: name a folder of"),
    ],
)
def test_bad_input_is_one_line(
    saved: Callable[..., str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "one.txt").write_text("a\n")
    for folder in ("own", "empty"):
        (tmp_path / folder).mkdir()
    for folder, file in (("onnx", "model.onnx"), ("gguf", "model.gguf"), ("peft", "adapter_config.json")):
        (tmp_path / folder).mkdir()
        for name in (file, "classifier.json", "config.json"):
            (tmp_path / folder / name).write_text("{}")
    (tmp_path / "own" / "classifier.json").write_text("{}")
    places = {
        "MODEL": saved() if "MODEL" in arguments else "",
        **{
            name: str(tmp_path / path)
            for name, path in (
                *(("ONE", "one.txt"), ("OWN", "own"), ("EMPTY", "empty")),
                *(("ONNX", "onnx"), ("GGUF", "gguf"), ("PEFT", "peft")),
            )
        },
    }
    with pytest.raises(UserError, match=message):
        run(*(places.get(each, each) for each in arguments))


def test_a_model_on_a_hub_is_downloaded_and_asked_for_once(
    saved: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, home = Path(saved()), tmp_path / "home"
    visitor = Visitor(monkeypatch)
    with closing(FakeHub()) as hub:
        hub.files = {f"acme/toy/{path.name}": path.read_bytes() for path in folder.iterdir()}
        visitor.use(hub.url, home)
        code, output = run("acme/toy", "--side", "right")
        assert code == 0, output
        assert "acme/toy" in output
        assert "clean: no answer changes with padding" in output
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(hub.downloads())
        with pytest.raises(UserError, match="acme/other"):
            run("acme/other")
    visitor.use(hub.url, home, offline=True)
    assert run("acme/toy", "--side", "right") == (0, output)


def test_a_model_without_a_trained_head_is_refused(saved: Callable[..., str]) -> None:
    with pytest.raises(UserError, match=r"no trained head \(score.weight"):
        run(saved(AutoModel))
