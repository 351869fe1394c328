"""The rules of who may import whom, read from the source: nothing here is imported but this test."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NETWORK = {
    "aiohttp",
    "ftplib",
    "http",
    "httpx",
    "huggingface_hub",
    "requests",
    "smtplib",
    "socket",
    "urllib3",
}
# urllib.parse and urllib.error touch no network.
NETWORK_PARTS = {"urllib.request"}

# What answers --help, lists, plans and reports starts fast: none of it may load torch.
TORCH_FREE = [
    "gptcore",
    "gptcore.__main__",
    "gptcore.calibration",
    "gptcore.classifier",
    "gptcore.cli",
    "gptcore.commands",
    "gptcore.commands.explain",
    "gptcore.commands.export",
    "gptcore.commands.fit",
    "gptcore.commands.options",
    "gptcore.commands.predict",
    "gptcore.commands.probe_padding",
    "gptcore.commands.recipes",
    "gptcore.commands.serve",
    "gptcore.errors",
    "gptcore.explain",
    "gptcore.extras",
    "gptcore.files",
    "gptcore.locks",
    "gptcore.recipe",
    "gptcore.result",
    "gptcore.sklearn",
    "gptcore.paths",
    "gptcore.threads",
    "gptcore.backbones",
    "gptcore.backbones.catalogue",
    "gptcore.backbones.config",
    "gptcore.backbones.convert.cache",
    "gptcore.backbones.convert.fetch",
    "gptcore.backbones.convert.gguf_families",
    "gptcore.backbones.convert.gguf_file",
    "gptcore.backbones.convert.gguf_model",
    "gptcore.backbones.convert.gguf_tokenizer",
    "gptcore.backbones.convert.gguf_vocabulary",
    "gptcore.backbones.convert.gguf_write",
    "gptcore.backbones.convert.onnx_bert",
    "gptcore.backbones.convert.tensors",
    "gptcore.backbones.convert.terms",
    "gptcore.backbones.checkpoint_files",
    "gptcore.backbones.checkpoint_tokenizer",
    "gptcore.backbones.checkpoints",
    "gptcore.backbones.families",
    "gptcore.backbones.hf_config",
    "gptcore.backbones.model_info",
    "gptcore.backbones.info",
    "gptcore.backbones.fingerprint",
    "gptcore.methods",
    "gptcore.methods.base",
    "gptcore.methods.layers",
    "gptcore.methods.lora",
    "gptcore.methods.targets",
    "gptcore.backbones.gpt2_config",
    "gptcore.backbones.hub",
    "gptcore.backbones.layer_names",
    "gptcore.backbones.tensor_names",
    "gptcore.backbones.tokenizer_parts",
    "gptcore.backbones.tokenizer_files",
    "gptcore.backbones.tokenizer_json",
    "gptcore.data",
    "gptcore.data.assets",
    "gptcore.data.checks",
    "gptcore.data.columns",
    "gptcore.data.datasets",
    "gptcore.data.delimited",
    "gptcore.data.files",
    "gptcore.data.groups",
    "gptcore.data.labels",
    "gptcore.data.memory",
    "gptcore.data.options",
    "gptcore.data.pip",
    "gptcore.data.splits",
    "gptcore.data.structured",
    "gptcore.data.tables",
    "gptcore.data.tokenizer",
    "gptcore.export",
    "gptcore.export.formats",
    "gptcore.export.numpy_script",
    "gptcore.export.possible",
    "gptcore.export.script",
    "gptcore.padding",
    "gptcore.padding.report",
    "gptcore.padding.texts",
    "gptcore.product",
    "gptcore.product.answers",
    "gptcore.product.card",
    "gptcore.product.data_source",
    "gptcore.product.fitting",
    "gptcore.product.folder",
    "gptcore.product.recipes",
    "gptcore.product.recommended",
    "gptcore.product.report",
    "gptcore.product.row_files",
    "gptcore.product.stream",
    "gptcore.product.verify",
    "gptcore.serving",
    "gptcore.serving.app",
    "gptcore.serving.batcher",
    "gptcore.serving.files",
    "gptcore.serving.limits",
    "gptcore.serving.requests",
    "gptcore.serving.run",
    "gptcore.serving.schema",
    "gptcore.training.distributed",
    "gptcore.training.fit",
    "gptcore.training.fits",
    "gptcore.training.shardable",
    "gptcore.training.tfidf",
]
# Of bench, nothing else: what does the runs, what times real steps, and the gate that runs a study.
MAY_LOAD_TORCH = {
    *("bench.run.runner", "bench.run.checks", "bench.run.probing", "bench.run.gate", "bench.run.speed"),
    "bench.run.opponent",
}
# From the ground up: a module may import those of its own floor and of the floors below it.
BENCH_FLOORS = [
    "records",
    "published",
    "study",
    "evidence",
    "check",
    "run",
    "track",
    "recommend",
    "report",
    "commands",
    "cli",
    "__main__",
]


@dataclass(frozen=True)
class Imports:
    """Dotted names that a module imports: when it is imported itself, and anywhere in it."""

    at_import: frozenset[str]
    anywhere: frozenset[str]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_type_checking(node: ast.AST) -> bool:
    test = node.test if isinstance(node, ast.If) else None
    return "TYPE_CHECKING" in (getattr(test, "id", None), getattr(test, "attr", None))


def statements(tree: ast.AST, into_functions: bool) -> Iterator[ast.AST]:
    """Every node that runs; without `into_functions` only what runs when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node):
            assert isinstance(node, ast.If)
            yield from (
                inner for other in node.orelse for inner in [other, *statements(other, into_functions)]
            )
            continue
        if not into_functions and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        yield from statements(node, into_functions)


def imported_names(tree: ast.AST, package: str, into_functions: bool) -> frozenset[str]:
    names: set[str] = set()
    for node in statements(tree, into_functions):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names.add(base)
            # `from a import b` may import the module a.b
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return frozenset(names)


def read_imports(text: str, package: str) -> Imports:
    tree = ast.parse(text)
    return Imports(imported_names(tree, package, False), imported_names(tree, package, True))


MODULES: dict[str, Imports] = {
    module_name(path): read_imports(
        path.read_text(encoding="utf-8"),
        module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0],
    )
    for package in ("gptcore", "bench", "tools")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def matching(*patterns: str) -> list[str]:
    return [name for name in MODULES if any(fnmatch(name, pattern) for pattern in patterns)]


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def loaded_with(module: str) -> dict[str, str]:
    """Everything that importing `module` imports, inside and outside the project -> who imports it."""
    found: dict[str, str] = {}
    pending = [(module, module)]
    while pending:
        name, by = pending.pop()
        # Importing a.b.c imports a and a.b too.
        parts = name.split(".")
        for whole in (".".join(parts[:i]) for i in range(1, len(parts) + 1)):
            if whole not in found:
                found[whole] = by
                pending += [(other, whole) for other in getattr(MODULES.get(whole), "at_import", ())]
    return found


def offenders(modules: list[str], *packages: str) -> list[str]:
    """ "module imports name" for each import, wherever it stands, of something in `packages`."""
    return [
        f"{module} imports {name}"
        for module in modules
        for name in sorted(MODULES[module].anywhere)
        if any(is_in(name, package) for package in packages)
    ]


def inside(module: str) -> list[str]:
    """The project's modules that `module` imports, wherever the import stands, packages left out."""
    return sorted(
        name
        for name in MODULES[module].anywhere
        if name != module
        and name in MODULES
        and not any(is_in(other, name) for other in MODULES if other != name)
    )


def upward_imports(package: str, floors: list[str]) -> list[str]:
    """ "module imports name" for each import that points to a higher floor. A module on no floor fails."""
    height = {f"{package}.{floor}": i for i, floor in enumerate(floors)}

    def floor_of(name: str) -> int:
        return height[".".join(name.split(".")[:2])]

    return [
        f"{module} imports {name}"
        for module in matching(f"{package}.*")
        for name in inside(module)
        if is_in(name, package) and floor_of(name) > floor_of(module)
    ]


def test_the_reader_sees_what_runs_and_what_does_not() -> None:
    text = """
import a.b, c as d
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import types_only
else:
    import at_runtime
try:
    from . import sibling
except ImportError:
    from ..up import thing
def f():
    import later
class C:
    import in_class
"""
    found = read_imports(text, "p.q")
    assert {"a.b", "c", "at_runtime", "p.q.sibling", "p.up", "in_class"} <= found.at_import
    assert "later" not in found.at_import
    assert "later" in found.anywhere
    assert "types_only" not in found.anywhere


def test_every_torch_free_name_is_a_module() -> None:
    assert len(MODULES) > 20
    assert set(TORCH_FREE) <= set(MODULES)


@pytest.mark.parametrize("module", [*TORCH_FREE, *sorted(set(matching("bench*")) - MAY_LOAD_TORCH)])
def test_starts_without_torch(module: str) -> None:
    loaded = loaded_with(module)
    assert "torch" not in loaded, f"{loaded['torch']} imports torch, and is loaded with {module}"


def test_gptcore_never_imports_bench() -> None:
    assert not offenders(matching("gptcore*"), "bench")


def test_no_package_needs_the_tools_of_a_clone() -> None:
    assert not offenders(matching("gptcore*", "bench*"), "tools")


def test_every_import_within_bench_points_down_its_floors() -> None:
    assert not upward_imports("bench", BENCH_FLOORS)


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter({module: inside(module) for module in MODULES}).prepare()  # raises CycleError


def test_models_know_nothing_of_finetuning_and_data_of_neither() -> None:
    assert not offenders(matching("gptcore.backbones*"), "gptcore.training", "gptcore.engine")
    assert not offenders(
        matching("gptcore.data*"),
        "gptcore.training",
        "gptcore.engine",
        "gptcore.methods",
        "gptcore.backbones",
    )


def test_what_trains_knows_nothing_of_what_uses_classifiers() -> None:
    below = matching(
        *(f"gptcore.{floor}*" for floor in ("data", "backbones", "methods", "engine", "training"))
    )
    uses = ("product", "export", "serving", "padding", "commands")
    assert not offenders(below, *(f"gptcore.{package}" for package in uses))


def test_the_extra_hf_is_opened_in_few_places_and_only_when_needed() -> None:
    opens = (
        "gptcore.backbones.hf_load",
        "gptcore.backbones.hf_attention",
        "gptcore.export.gguf",
        "gptcore.export.hf",
        "gptcore.export.peft",
        "gptcore.export.sequence_model",
        "gptcore.methods.peft_layers",
        "gptcore.padding.model",
        "gptcore.training.transformers_loop",
    )
    packages = matching("gptcore*", "bench*")
    assert not offenders([name for name in packages if name not in opens], "transformers", "peft")
    assert not any(
        {"transformers", "peft"} & imports.at_import for imports in map(MODULES.__getitem__, packages)
    )


def test_matplotlib_only_in_plots() -> None:
    elsewhere = [name for name in MODULES if "plots" not in name.split(".")]
    assert not offenders(elsewhere, "matplotlib")


def test_network_only_in_assets_and_the_hubs() -> None:
    hubs = ("gptcore.backbones.hub", "gptcore.data.hub")
    listens = "gptcore.serving.run"  # and asks for nothing
    elsewhere = [name for name in MODULES if name not in ("gptcore.data.assets", listens, *hubs)]
    assert not offenders(elsewhere, *NETWORK, *NETWORK_PARTS)


def test_evidence_and_report_never_load_the_runner() -> None:
    modules = matching("bench.evidence*", "bench.report*")
    assert not offenders(modules, "bench.run.runner")
    for module in modules:
        assert "bench.run.runner" not in loaded_with(module)
