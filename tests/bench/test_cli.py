"""The command line from end to end, on a toy checkpoint and a small CSV file."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from bench.commands.progress import show_total
from bench.records.store import load_records, load_speed, load_study, save_record, save_study
from bench.run import runner, study_run
from bench.run.executors import local
from bench.study.forecast import Prediction
from bench.study.matrix import matrices
from bench.study.plan import PlannedRun
from gptcore.backbones.config import REGISTRY, ModelConfig, ModelEntry
from gptcore.data.datasets import DATASETS
from gptcore.recipe import Recipe, Seeds
from tests.bench.calling import Answer, Bench

ROOT = Path(__file__).parents[2]
COMMANDS = ("list", "plan", "run", "report", "compare", "judge", "show", "regress", "speed", "doctor")
MATRIX = """
name = "mine"
about = "three rows"
baseline = { set = { epochs = 1, lr = 1e-3 } }
questions = { layers = "How many layers should learn?" }
row = [
    { name = "last-layer", question = "layers", set = { train = "last_layer" } },
    { name = "tfidf", question = "layers", set = { model = "tfidf" } },
]
"""


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Leaves the report out, which takes most of a small study's time; how many records each would have had."""
    from bench.report import markdown

    reported: list[int] = []

    def count(folder: Path, _study: object, records: list[object], *_asked: object) -> Path:
        reported.append(len(records))
        return folder / "report.md"

    monkeypatch.setattr(markdown, "write_report", count)
    return reported


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a user has: messages.csv, mine.toml and the checkpoint toy-gpt."""
    from gptcore.backbones.weights import random_gpt, save_gpt

    folder = tmp_path_factory.mktemp("inputs")
    write_messages(folder / "messages.csv", 20)
    (folder / "mine.toml").write_text(MATRIX)
    shape = ModelConfig(d_model=16, n_layer=2, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
    save_gpt(random_gpt(shape, 0), folder / "toy-gpt")
    return folder


def write_messages(path: Path, n: int) -> None:
    rows = [f"see you at {hour} then,ham\nwin {hour} free prizes now,spam" for hour in range(n)]
    path.write_text("\n".join(["text,label", *rows, ""]))


@pytest.fixture
def study(inputs: Path) -> list[str]:
    """The options that describe a small study."""
    return [
        *("--matrix", str(inputs / "mine.toml"), "--models", str(inputs / "toy-gpt")),
        *("--data", str(inputs / "messages.csv"), "--seeds", "2", "--out", "study"),
    ]


# --- help ------------------------------------------------------------------------------------------------


def test_help_names_every_command(bench: Bench) -> None:
    answer = bench("--help")
    assert answer.code == 0
    for command in COMMANDS:
        assert re.search(rf"^ +{command} +\w", answer.out, re.MULTILINE), command


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(bench: Bench, command: str) -> None:
    answer = bench(command, "--help")
    assert answer.code == 0
    assert f"Example: python -m bench {command}" in answer.words


@pytest.mark.parametrize("command", ["plan", "run", "speed"])
def test_the_example_is_valid(command: str) -> None:
    """Its options exist and its values parse: an example with --help after it is not refused."""
    from typer.main import get_command

    group = get_command(cli.app)
    found = group.commands[command]  # type: ignore[attr-defined]
    _, _, example = found.epilog.partition("python -m bench ")
    name, *arguments = example.split()
    assert name == command
    found.make_context(command, arguments)


def test_without_a_command_there_is_help(bench: Bench) -> None:
    answer = bench()
    assert answer.code == 2
    assert "Usage" in answer.out + answer.err


def loaded_by(*arguments: str | Path) -> set[str]:
    """Top-level packages that `python -m bench ARGUMENTS` loads."""
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['bench', *{[str(a) for a in arguments]!r}]\n"
        "try:\n    runpy.run_module('bench', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print('loaded:', *{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_help_loads_nothing_heavy() -> None:
    loaded = loaded_by("--help")
    assert "typer" in loaded
    assert not loaded & {"torch", "pandas", "numpy", "matplotlib", "sklearn", "tiktoken", "huggingface_hub"}


# --- checkpoints that do not open ------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"activation_function": "quick_gelu"}, 'activation_function = "quick_gelu" is not supported: use'),
        ({"n_positions": 15}, "does not fit its config: misshapen wpe.weight is (16, 16), expected (15, 16)"),
        ({"vocab_size": 8191}, "its tokenizer has ids up to 8,191, and vocab_size = 8191"),
    ],
)
def test_a_checkpoint_that_does_not_open_is_one_line_before_anything_runs(
    bench: Bench,
    study: list[str],
    inputs: Path,
    tmp_path: Path,
    command: str,
    change: dict[str, Any],
    line: str,
) -> None:
    mine = tmp_path / "broken"
    shutil.copytree(inputs / "toy-gpt", mine)
    config = json.loads((mine / "config.json").read_text())
    (mine / "config.json").write_text(json.dumps(config | change))
    arguments = [str(mine) if each.endswith("toy-gpt") else each for each in study]
    answer = bench(command, *arguments)
    assert answer.code == 2
    assert line in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


@pytest.mark.usefixtures("no_plots")
def test_a_run_that_is_refused_leaves_no_record_and_the_others_are_done(
    bench: Bench, study: list[str], inputs: Path, tmp_path: Path
) -> None:
    """What is wrong with a .bin file shows only when it is loaded."""
    mine = tmp_path / "broken"
    shutil.copytree(inputs / "toy-gpt", mine)
    (mine / "model.safetensors").unlink()
    (mine / "pytorch_model.bin").write_bytes(b"damaged")
    arguments = [str(mine) if each.endswith("toy-gpt") else each for each in study]
    answer = bench("run", *arguments)
    assert answer.code == 2
    assert "pytorch_model.bin" in answer.err
    assert {record["recipe"]["model"] for record in map(read_json, Path("study/runs").iterdir())} == {"tfidf"}
    assert Path("study/report.md").exists() or "report:" in answer.out


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


# --- list and plan ---------------------------------------------------------------------------------------


def test_list(bench: Bench) -> None:
    answer = bench("list")
    assert answer.code == 0
    for name in (*(name for name, _ in matrices()), *REGISTRY, *DATASETS, "tfidf"):
        assert re.search(rf"^ +{re.escape(name)} +\S", answer.out, re.MULTILINE), name


def test_plan_says_what_would_run_and_runs_nothing(bench: Bench, study: list[str], tmp_path: Path) -> None:
    answer = bench("plan", *study)
    assert answer.code == 0
    assert "as requested" in answer.words
    assert "3 rows x 2 seeds on messages.csv (28 / 4 / 8 texts)" in answer.words
    assert re.search(
        r"with a power of 80% \(2 comparisons, 8 test texts per seed\): 3 seeds: better", answer.words
    )
    assert "no difference: less than 5 points" in answer.words
    assert "6 runs to do, 0 done, 0 cannot run here" in answer.words
    for row in ("baseline", "last-layer", "tfidf"):
        assert re.search(rf"^{row} .*2 todo", answer.out, re.MULTILINE), row
    assert re.search(
        r"forecast for 6 runs: about .* s, at most .* GB of memory, nothing to download", answer.words
    )
    assert re.search(r"^baseline +2 +\d\.\d s +\d\.\d s +\d\.\d GB +2 todo", answer.out, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("known", "weights", "says"),
    [
        (2, {}, "forecast for 2 runs: about 3.0 min, at most 3.0 GB of memory, nothing to download"),
        (
            1,
            {"gpt2": 548_000_000},
            "about 1.5 min, at most 3.0 GB of memory, 1 run of unknown time, 548 MB to",
        ),
        (0, {"gpt2": 10**9, "own/toy": None}, "the weights of own/toy to download and 1 GB more"),
    ],
)
def test_the_total(
    known: int, weights: dict[str, int | None], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [PlannedRun(("row",), Recipe(), index, Seeds(), "todo") for index in range(2)]
    show_total(runs, {run.run_id: Prediction(90.0, 3 * 10**9) for run in runs[:known]}, weights)
    assert says in " ".join(capsys.readouterr().out.split())


def test_the_total_counts_checks_and_names_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [PlannedRun(("row",), Recipe(), index, Seeds(), "todo") for index in range(2)]
    found = Prediction(90.0, 3 * 10**9, checks={"padding": 60.0}, kept_bytes=10**9)
    show_total(runs, {run.run_id: found for run in runs}, {}, jobs=2)
    says = "about 2.5 min (2 runs at a time), at most 6.0 GB of memory (2.0 GB of it kept for later runs)"
    assert says in " ".join(capsys.readouterr().out.split())


def test_plan_says_what_cannot_run(bench: Bench, study: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "free_memory_bytes", lambda _device: 100)
    answer = bench("plan", *study)
    assert answer.code == 0
    assert "not enough memory for 6 runs: skipped" in answer.words
    assert re.search(r"2 blocked: not enough memory: needs \d\.\d GB, 0\.0 GB are free", answer.words)


@pytest.mark.usefixtures("no_plots")
def test_run_leaves_out_what_does_not_fit(
    bench: Bench, study: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(local, "free_memory_bytes", lambda _device: 100)
        answer = bench("run", *study)
    assert answer.code == 1
    assert "no run of this study can be done here: not enough memory: needs" in " ".join(answer.err.split())
    records = load_records(tmp_path / "study")
    assert {record.status for record in records.values()} == {"skipped"}
    assert all("not enough memory" in str(record.reason) for record in records.values())
    assert "6 runs to do" in bench("plan", *study).words


def test_only_skip_and_set_narrow_and_change(bench: Bench, study: list[str]) -> None:
    only = bench("plan", *study, "--only", "baseline,tfidf")
    assert "2 rows x 2 seeds" in only.words
    assert "last-layer" not in only.out
    skip = bench("plan", *study, "--skip", "tfidf", "--skip", "last-layer")
    assert "1 row x 2 seeds" in skip.words
    changed = bench("plan", *study, "--set", "train=last_layer")
    assert "row last-layer changes nothing" in changed.words
    assert "baseline, last-layer" in changed.words  # one run serves both


# --- run, report, show -----------------------------------------------------------------------------------


def test_run_report_show(bench: Bench, study: list[str], tmp_path: Path) -> None:
    first = bench("run", *study)
    assert (first.code, first.err) == (0, "")
    assert "6 runs to do, 0 done" in first.words
    for row in ("baseline", "last-layer", "tfidf"):
        assert re.search(rf"\d% test .* {row} seed 1", first.out), row
    folder = tmp_path / "study"
    assert load_study(folder).command.startswith("python -m bench run --matrix ")
    records = load_records(folder)
    assert [record.status for record in records.values()] == ["done"] * 6
    assert "forecast for 6 runs: about" in first.words
    assert all(r.cost and r.cost.predicted_s and r.cost.predicted_mem_bytes for r in records.values())
    assert "## Forecast and actual cost" in (folder / "report.md").read_text()
    results = {"report.md", "report.html", "summary.csv", "plots"}
    assert results <= {path.name for path in folder.iterdir()}
    assert list((folder / "plots").glob("*.svg"))
    assert "How many layers should learn?" in (folder / "report.html").read_text()

    second = bench("run", *study)
    assert second.code == 0
    assert "0 runs to do, 6 done" in second.words
    assert "% test" not in second.out
    assert load_records(folder) == records

    report_text = (folder / "report.md").read_text()
    for name in ("baseline", "last-layer", "tfidf", "messages.csv"):
        assert name in report_text, name
    (folder / "report.md").unlink()
    again = bench("report", folder)
    assert again.code == 0
    assert str(folder / "report.md") in again.words.replace(" ", "")
    assert (folder / "report.md").read_text() == report_text

    record = next(iter(records.values()))
    shown = bench("show", folder / "runs" / f"{record.run_id}.json")
    assert shown.code == 0
    assert record.run_id in shown.words.replace(" ", "")
    assert not loaded_by("report", folder) & {"torch", "tiktoken", "huggingface_hub"}


def test_show_finds_a_run_in_results_by_its_name(bench: Bench, toy_record: Callable, tmp_path: Path) -> None:
    record = toy_record()
    save_record(tmp_path / "results" / "one", record)
    assert bench("show", record.run_id).code == 0
    assert bench("show", f"{record.run_id}.json").code == 0
    save_record(tmp_path / "results" / "two", record)
    several = bench("show", record.run_id)
    assert several.code == 2
    assert f"is in several studies: name one of one/{record.run_id}, two/{record.run_id}" in several.err
    assert bench("show", f"two/{record.run_id}").code == 0
    assert bench("show", f"three/{record.run_id}").code == 2
    save_record(tmp_path / "elsewhere" / "mine", record)
    assert bench("show", tmp_path / "elsewhere" / "mine" / record.run_id).code == 0
    nowhere = bench("show", "no-such-run")
    assert nowhere.code == 2
    assert "no such file" in nowhere.err


def test_the_plain_engine_has_one_precision(bench: Bench, study: list[str], tmp_path: Path) -> None:
    answer = bench("run", *study, "--engine", "plain", "--precision", "bfloat16")
    assert answer.code == 2
    assert "--precision bfloat16: the plain engine is always in float32" in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_report")
def test_runs_from_elsewhere_in_the_same_tables_are_told(
    bench: Bench, study: list[str], tmp_path: Path
) -> None:
    few = [*study, "--only", "tfidf"]
    assert bench("run", *few, "--seeds", "1").code == 0
    assert "were made under other conditions" not in bench("run", *few, "--seeds", "2").words
    for record in load_records(tmp_path / "study").values():
        more = record.environment.threads + 1
        place = record.environment.model_copy(update={"threads": more, "dtype": "bfloat16"})
        save_record(tmp_path / "study", record.model_copy(update={"environment": place}))
    assert (
        "were made under other conditions" not in bench("run", *few, "--seeds", "2").words
    )  # nothing is to do
    told = bench("run", *few, "--seeds", "3")
    assert told.code == 0
    assert "were made under other conditions (precision bfloat16, here float32; threads" in told.words


@pytest.mark.usefixtures("no_report")
def test_other_programs_at_work_are_told_where_something_is_to_be_done(
    bench: Bench, study: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_run, "busy_share", lambda: 0.9)
    call = ["run", *study, "--only", "tfidf", "--seeds", "1"]
    assert "other programs use 90% of the CPU" in bench(*call).words
    assert "of the CPU" not in bench(*call).words  # nothing is to do


@pytest.mark.usefixtures("no_report")
def test_by_default_a_study_lies_in_results(bench: Bench, study: list[str], tmp_path: Path) -> None:
    del study[-2:]  # without --out
    answer = bench("run", *study, "--only", "tfidf", "--skip", "last-layer", "--set", "epochs=1")
    assert answer.code == 0
    assert next((tmp_path / "results").glob("toy-gpt-*-mine-messages-epochs-1/study.json")).is_file()


def test_the_plain_engine_has_a_study_of_its_own(bench: Bench, study: list[str]) -> None:
    del study[-2:]
    answer = bench("plan", *study, "--engine", "plain")
    assert re.search(r"results/toy-gpt-[0-9a-f]{6}-mine-messages-plain", answer.words)


def test_a_failed_run_makes_exit_code_1(
    bench: Bench, study: list[str], tmp_path: Path, no_report: list[int]
) -> None:
    answer = bench("run", *study, "--set", "lr=1e30", "--seeds", "1")
    assert answer.code == 1
    assert "failed baseline seed 0: FloatingPointError" in answer.words
    statuses = sorted(record.status for record in load_records(tmp_path / "study").values())
    assert statuses == ["done", "failed", "failed"]
    again = bench("run", *study, "--set", "lr=1e30", "--seeds", "1")
    assert again.code == 1
    assert "0 runs to do, 1 done, 0 cannot run here 2 failed before (--retry-failed" in again.words
    retried = bench("run", *study, "--set", "lr=1e30", "--seeds", "1", "--retry-failed")
    assert retried.code == 1
    assert "2 runs to do, 1 done" in retried.words
    assert no_report == [3, 3, 3]


def test_ctrl_c_keeps_what_is_done_and_the_same_call_continues(
    bench: Bench,
    study: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_report: list[int],
) -> None:
    fit, calls = runner.fit, []

    def interrupted(*arguments: object, **more: object) -> object:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(*arguments, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(runner, "fit", interrupted)
        answer = bench("run", *study)
    assert answer.code == 130
    assert "the same command resumes" in answer.words
    assert len(load_records(tmp_path / "study")) == 2
    assert no_report == [2]
    rest = bench("run", *study)
    assert rest.code == 0
    assert "4 runs to do, 2 done" in rest.words


# --- bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        (["--matrix", "no-such-matrix"], ["no-such-matrix", "full", "quick"]),
        (["--models", "gtp2"], ["gtp2", "gpt2"]),
        (["--only", "last-lyer"], ["--only last-lyer", "last-layer"]),
        (["--skip", "baseline"], ["--skip baseline"]),
        (["--set", "lr"], ["--set 'lr'", "FIELD=VALUE"]),
        (["--set", "lr=fast"], ["lr", "'fast'"]),
        (["--set", "lr=-1"], ["lr", "-1"]),
        (["--set", "lr=inf"], ["lr", "inf"]),
        (["--set", "learning_rate=1"], ["learning_rate", "lr"]),
        (["--set", "model=gpt2"], ["--models"]),
        (["--data", "missing.csv"], ["missing.csv"]),
        (["--data", "smsspam"], ["smsspam", "sms-spam"]),
        (["--text-column", "body"], ["messages.csv", "body", "text"]),
        (["--label-column", "kind"], ["messages.csv", "kind", "label"]),
        (["--out", "a-file"], ["a-file"]),
        (["--budget", "30m"], ["--budget needs --until-decided"]),
        (["--until-decided", "--looks", "9,5"], ["--looks 9,5", "increasing"]),
        (["--until-decided", "--budget", "soon"], ["--budget soon", "30m"]),
        (["--until-decided"], ["--seeds 2", "the first look needs 5 seeds"]),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_and_exit_code_2(
    bench: Bench, study: list[str], changes: list[str], names: list[str], tmp_path: Path
) -> None:
    (tmp_path / "a-file").write_text("")
    answer = bench("run", *study, *changes)
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1
    for name in names:
        assert name in answer.err, name
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--seeds", "0"],
        ["run", "--seeds", "many"],
        ["run", "--engine", "warp"],
        ["plan", "--precision", "float64"],
        ["run", "--no-such-option"],
        ["no-such-command"],
        ["report"],
        ["show"],
    ],
    ids=" ".join,
)
def test_bad_usage_is_exit_code_2(bench: Bench, arguments: list[str]) -> None:
    answer = bench(*arguments)
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert line.startswith("error: ")
    assert " --help" in line
    assert "Traceback" not in answer.err


def test_what_varies_between_seeds_is_asked_for(bench: Bench, study: list[str]) -> None:
    assert "x 3 seeds" in bench("plan", *study, "--vary", "init", "--vary", "order,split").words
    refused = bench("plan", *study, "--vary", "weights")
    assert refused.code == 2
    assert "--vary 'weights': no seed is called 'weights': use one or more of init,order,split" in refused.err


@pytest.mark.usefixtures("no_report")
def test_an_overwritten_checkpoint_is_refused(
    bench: Bench, study: list[str], inputs: Path, tmp_path: Path
) -> None:
    from gptcore.backbones.weights import load_gpt, random_gpt, save_gpt

    final = tmp_path / "final"
    shutil.copytree(inputs / "toy-gpt", final)
    call = ["run", *study, "--models", str(final), "--only", "last-layer", "--seeds", "1"]
    assert bench(*call).code == 0
    before = load_study(tmp_path / "study")
    save_gpt(random_gpt(load_gpt(final).config, seed=7), final)
    answer = bench(*call, "--seeds", "2")
    assert answer.code == 2
    assert f"holds runs of {final} with different checkpoint files" in answer.err
    assert "--out" in answer.err
    assert load_study(tmp_path / "study") == before
    assert bench(*call, "--out", "other").code == 0
    checkpoints = [load_study(tmp_path / name).checkpoints[str(final)] for name in ("study", "other")]
    assert checkpoints[0] != checkpoints[1]


@pytest.mark.usefixtures("no_report")
def test_other_data_in_the_same_folder_is_refused(bench: Bench, study: list[str], tmp_path: Path) -> None:
    assert bench("run", *study, "--only", "tfidf", "--seeds", "1").code == 0
    before = (tmp_path / "study" / "study.json").read_bytes()
    write_messages(tmp_path / "others.csv", 21)
    answer = bench("run", *study, "--data", "others.csv")
    assert answer.code == 2
    assert "study holds runs on other data (messages.csv)" in answer.err
    assert "--out" in answer.err
    assert (tmp_path / "study" / "study.json").read_bytes() == before


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (("--engine", "plain"), "study holds runs of the fast engine"),
        (("--vary", "init"), "study holds runs with other seeds (tfidf-"),
    ],
    ids=["engine", "seeds"],
)
def test_no_finished_run_is_replaced_by_one_that_is_not_its_equal(
    bench: Bench, study: list[str], tmp_path: Path, changes: tuple[str, str], says: str
) -> None:
    assert bench("run", *study, "--only", "tfidf", "--seeds", "2").code == 0
    files = {path: path.read_bytes() for path in (tmp_path / "study").rglob("*.json")}
    assert len(files) == 1 + 2 * 2
    answer = bench("run", *study, "--only", "tfidf", "--seeds", "2", *changes)
    assert answer.code == 2
    assert says in answer.err
    assert "choose another folder with --out" in answer.err
    assert {path: path.read_bytes() for path in (tmp_path / "study").rglob("*.json")} == files


def test_a_part_of_the_study_in_the_folder_leaves_it_whole(
    bench: Bench, study: list[str], tmp_path: Path, no_report: list[int]
) -> None:
    assert bench("run", *study, "--seeds", "2").code == 0
    manifest = tmp_path / "study" / "study.json"
    whole = manifest.read_bytes()
    assert "report" not in bench("plan", *study, "--seeds", "2").words  # the same study is no part of itself
    part = bench("run", *study, "--only", "tfidf", "--seeds", "1")
    assert part.code == 0
    assert "the report still covers all of it (3 rows x 2 seeds)" in part.words
    assert manifest.read_bytes() == whole
    (tmp_path / "study").rename(tmp_path / "copy")  # whatever the folder is called
    in_copy = bench("plan", *study, "--only", "tfidf", "--seeds", "1", "--out", "copy")
    assert "the report still covers all of it (3 rows x 2 seeds)" in in_copy.words
    (tmp_path / "copy").rename(tmp_path / "study")
    changed = bench("run", *study, "--only", "tfidf", "--seeds", "1", "--set", "lr=1e-4")
    assert changed.code == 2
    assert "row 'baseline': lr = 0.0001, but study has results of that row with 0.001" in one_line(changed)
    planned = bench("plan", *study, "--only", "tfidf", "--seeds", "1", "--set", "lr=1e-4")
    assert planned.code == 0
    assert "`run` refuses this; planned as for an empty folder" in planned.words
    assert "2 runs to do, 0 done" in planned.words
    assert manifest.read_bytes() == whole
    longer = bench("plan", *study, "--only", "tfidf", "--seeds", "3")
    assert "the report still covers all of it (3 rows x 3 seeds)" in longer.words
    assert no_report == [3, 6, 6]  # after the first seed, then at the end of each call


def test_seeds_that_have_grown_are_a_look_of_the_same_scheme(
    bench: Bench, study: list[str], tmp_path: Path, no_report: list[int]
) -> None:
    run = ("run", *study, "--only", "tfidf", "--seeds")

    def scheme() -> list[tuple[int, float]]:
        return [(look.seeds, look.share) for look in load_study(tmp_path / "study").scheme or []]

    assert bench(*run, "2").code == 0
    assert scheme() == []  # two seeds say nothing of recipes
    assert bench(*run, "3").code == 0
    first = scheme()
    assert first == [(3, 0.75)]
    assert "Judged at" not in bench(*run, "4").words
    assert scheme() == [*first, (4, 0.1875)]
    assert no_report


@pytest.mark.usefixtures("no_plots")
def test_a_study_grown_before_looks_were_planned_is_judged_as_it_was(
    bench: Bench, study: list[str], tmp_path: Path
) -> None:
    run = ("run", *study, "--only", "tfidf", "--seeds")
    assert bench(*run, "2").code == 0
    older = load_study(tmp_path / "study").model_copy(update={"scheme": None, "looks": [2]})
    save_study(tmp_path / "study", older)
    assert "Judged at 2 and again at 3 seeds" in bench(*run, "3").words
    assert "Judged at" not in bench(*run, "3").words  # said once, and kept in the report
    assert "**Judged at 2 and again at 3 seeds" in (tmp_path / "study" / "report.md").read_text()
    assert "Judged at 2 and again at 3 seeds" in (tmp_path / "study" / "report.html").read_text()
    refused = bench("run", *study, "--only", "tfidf", "--seeds", "3", "--until-decided", "--looks", "3")
    assert refused.code == 2
    assert "was judged before looks were planned" in refused.err


@pytest.mark.usefixtures("no_plots")
def test_until_decided_stops_at_its_last_look_and_says_so(
    bench: Bench, study: list[str], tmp_path: Path
) -> None:
    run = ("run", *[part for part in study if part not in ("--seeds", "2")], "--until-decided")
    answer = bench(*run, "--looks", "3,5", "--only", "tfidf")
    assert answer.code == 0, answer.err
    assert "2 rows x up to 5 seeds" in answer.words
    assert "at most 10 runs to do" in answer.words
    assert "no look is left after 5 seeds" in answer.words or "every row is decided" in answer.words
    manifest = load_study(tmp_path / "study")
    assert [look.seeds for look in manifest.scheme or []] == [3, 5]
    assert len(manifest.seeds) == len(load_records(tmp_path / "study")) / 2
    report = (tmp_path / "study" / "report.md").read_text()
    assert "Rows are judged at 3 and 5 seeds" in report
    assert "| tfidf" in report.partition("## Looks")[2]
    page = (tmp_path / "study" / "report.html").read_text()
    assert 'id="looks"' in page
    assert manifest.budget is None
    assert manifest.ended
    assert f"No budget; ended: {manifest.ended}." in page
    again = bench(*run, "--looks", "3,5", "--only", "tfidf")
    assert "0 runs to do, 10 done" in again.words or "every row is decided" in again.words
    assert load_study(tmp_path / "study") == manifest
    assert (tmp_path / "study" / "report.html").read_text() == page
    bench(*run, "--looks", "3,5", "--only", "tfidf", "--budget", "2h")
    now = load_study(tmp_path / "study")
    assert (now.budget, now.ended) == ("2h", manifest.ended)
    other = bench(*run, "--looks", "4,5", "--only", "tfidf")
    assert other.code == 2
    assert "looks are fixed before the first run" in other.err


def test_a_budget_under_one_look_runs_nothing(bench: Bench, study: list[str], tmp_path: Path) -> None:
    answer = bench("run", *study[:-4], "--out", "study", "--until-decided", "--budget", "0.001s")
    assert answer.code == 2
    assert answer.err.startswith("error: --budget of 0.001 s: 5 seeds of the cheapest row")
    assert not load_records(tmp_path / "study")


def test_an_out_that_is_a_file_is_named(bench: Bench, study: list[str], tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    answer = bench("run", *study, "--out", "there")
    assert answer.code == 2
    assert "--out there is a file: name a folder, or a name that is free" in answer.err


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("damage", ["", "{", "[]", '{"name": "an older version"}'])
def test_a_damaged_manifest_is_written_anew_by_the_next_run(
    bench: Bench, study: list[str], tmp_path: Path, damage: str
) -> None:
    run = ("run", *study, "--only", "tfidf", "--seeds", "1")
    assert bench(*run).code == 0
    manifest = tmp_path / "study" / "study.json"
    whole = manifest.read_bytes()
    manifest.write_text(damage)
    told = bench("report", "study")
    assert told.code == 2
    assert "run the study again, which rewrites it and keeps its records" in told.err
    again = bench(*run)
    assert again.code == 0
    assert "0 runs to do, 2 done" in again.words
    assert manifest.read_bytes() == whole


def test_report_of_a_folder_without_a_study(bench: Bench, tmp_path: Path) -> None:
    answer = bench("report", tmp_path)
    assert answer.code == 2
    assert "does not hold a study" in answer.err


def test_report_of_a_folder_of_several_data_sets(
    bench: Bench, study: list[str], tmp_path: Path, no_report: list[int]
) -> None:
    one = [*study[:-1], "whole/a", "--only", "tfidf", "--seeds", "2"]
    assert bench("run", *one).code == 0
    other = tmp_path / "whole" / "b"
    shutil.copytree(tmp_path / "whole" / "a", other)
    manifest = json.loads((other / "study.json").read_text())
    manifest["dataset"]["source_fingerprint"] = "0" * 64
    (other / "study.json").write_text(json.dumps(manifest))
    assert bench("report", "whole").code == 2  # not written by `run --data A,B`
    (tmp_path / "whole" / "overall.md").touch()
    no_report.clear()
    told = bench("report", "whole")
    assert told.code == 0, told.err
    assert no_report == [4, 4]
    assert (tmp_path / "whole" / "overall.md").read_text().startswith("# ")
    assert "judged over all data sets" in bench("report", "whole", "--margin", "3").err


@pytest.mark.usefixtures("no_report")
def test_compare_of_two_studies(bench: Bench, study: list[str], tmp_path: Path) -> None:
    other = [*study[:-1], "other"]
    for options in (study, other):
        assert bench("run", *options, "--only", "tfidf", "--seeds", "1").code == 0
    answer = bench("compare", "study", "other", "--out", "comparison.md")
    assert answer.code == 0
    assert "## other against study" in answer.out
    assert (tmp_path / "comparison.md").read_text(encoding="utf-8") == answer.out


def test_compare_without_two_studies(bench: Bench, tmp_path: Path) -> None:
    for folders in (["missing", "absent"], [tmp_path]):
        answer = bench("compare", *folders)
        assert answer.code == 2
        assert answer.err.count("\n") == 1
    assert "two or more different" in answer.err


def test_a_gpu_that_is_not_there(bench: Bench, study: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "has_cuda", lambda: False)
    answer = bench("plan", *study, "--device", "cuda")
    assert answer.code == 2
    assert "no CUDA GPU" in answer.err


@pytest.mark.usefixtures("no_report")
def test_a_damaged_record_is_named(bench: Bench, study: list[str], tmp_path: Path) -> None:
    assert bench("run", *study, "--only", "tfidf", "--seeds", "1").code == 0
    path = next((tmp_path / "study" / "runs").iterdir())
    path.write_text(path.read_text()[:100])
    for command in (["run", *study], ["report", "study"], ["show", path]):
        answer = bench(*command)
        assert answer.code == 2
        assert path.name in answer.err
        assert answer.err.count("\n") == 1


# --- speed -----------------------------------------------------------------------------------------------


def one_line(answer: Answer) -> str:
    """What it complained of, without line breaks."""
    return " ".join(answer.err.split())


@pytest.mark.slow
def test_speed_times_rows_and_adds_whole_ones_later(
    bench: Bench, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_process: type
) -> None:
    from bench.run import speed

    toy = ModelConfig(d_model=16, n_layer=2, n_head=2, context=256, vocab_size=8192, tokenizer="embedded")
    for name in ("nano", "micro", "mini"):
        monkeypatch.setitem(REGISTRY, name, ModelEntry(config=toy, source="bundled", about="a toy"))
    monkeypatch.setattr(speed, "Supervisor", in_process)
    monkeypatch.setattr(speed, "probe_precision", lambda _device: "float32")
    options = ["--models", "bundled", "--data", inputs / "messages.csv", "--out", "pages"]
    first = bench("speed", *options, "--only", "first-token", "--pairs", "1", "--whole", "first-token")
    assert first.code == 0, first.err
    assert "timing first-token, end to end, plain, epoch 3 done (100% done" in first.words
    before = load_speed(tmp_path / "pages" / "bundled.json")
    assert before is not None
    assert [row.row for row in before.rows] == ["baseline", "first-token"]
    second = bench("speed", *options, "--pairs", "0", "--whole", "lora")
    assert second.code == 0, second.err
    after = load_speed(tmp_path / "pages" / "bundled.json")
    assert after is not None
    assert [row.row for row in after.end_to_end] == ["first-token", "lora"]
    assert after.model_copy(update={"end_to_end": before.end_to_end}) == before
    narrower = bench("speed", *options, "--only", "baseline", "--pairs", "1")
    assert narrower.code == 2
    assert "rows that this call would drop, such as first-token" in one_line(narrower)
    assert load_speed(tmp_path / "pages" / "bundled.json") == after
    third = bench("speed", *options, "--only", "first-token", "--pairs", "1")
    assert third.code == 0, third.err
    page = (tmp_path / "pages" / "bundled.md").read_text()
    assert page.count("| lora ") == 1  # its slices are gone, what took long is kept
    assert bench("speed", *options, "--pairs", "0").code == 2
    other = tmp_path / "fewer.csv"
    other.write_text("\n".join((inputs / "messages.csv").read_text().splitlines()[:-4]) + "\n")
    options[3] = other
    for more in (("--pairs", "1"), ("--pairs", "0", "--whole", "lora")):
        on_other_data = bench("speed", *options, *more)
        assert on_other_data.code == 2
        assert "bundled.json is about messages.csv with 28 training texts, this is" in one_line(on_other_data)
    onto_file = bench("speed", *options[:-1], inputs / "messages.csv", "--pairs", "1")
    assert onto_file.code == 2
    assert "is a file: name a folder" in one_line(onto_file)


# --- judge -----------------------------------------------------------------------------------------------


def test_judge_a_table_by_name_and_by_file(bench: Bench, tmp_path: Path) -> None:
    answer = bench("judge", "imdb")
    assert answer.code == 0
    assert "Of 7 comparisons with gpt2: 6 stand" in answer.out
    (tmp_path / "mine.csv").write_text("row,figure,n\na,95.00,300\nb,75.00,300\n")
    assert "with b: 1 stands" in bench("judge", "mine.csv", "--against", "b").out


def test_judge_refuses_in_one_line(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("row,figure,n\na,95.00,0\n")
    for arguments, words in (
        (["imdbb"], "did you mean imdb?"),
        (["mine.csv"], "n = '0': give the number of test items"),
        (["imdb", "--against", "gpt"], "--against gpt: no such row; did you mean gpt2?"),
        (["imdb", "--study", "nowhere"], "nowhere"),
    ):
        answer = bench("judge", *arguments)
        assert answer.code == 2
        assert words in answer.err
        assert answer.err.count("\n") == 1
