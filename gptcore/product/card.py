"""The model card: README.md with the front matter that model hubs read. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gptcore.backbones.checkpoints import hub_repo, weights_source
from gptcore.backbones.hub import split_revision
from gptcore.product.report import Calibration, FitReport, majority_line, majority_warning
from gptcore.recipe import Recipe
from gptcore.wording import markdown_line


def model_card(name: str, recipe: Recipe, labels: Sequence[str], report: FitReport) -> str:
    """The whole file. What it says of accuracy comes from the test part alone."""
    return "\n".join([*_front_matter(name, recipe, report), "", *_body(name, recipe, labels, report), ""])


def _front_matter(name: str, recipe: Recipe, report: FitReport) -> list[str]:
    """YAML, every value as JSON, which is YAML too."""
    test = report.test
    metrics = [("accuracy", test.accuracy), ("f1", test.macro_f1)]
    lines = ["---", "library_name: gptcore", "pipeline_tag: text-classification"]
    if (base := _base_model(recipe)) is not None:
        lines.append(f"base_model: {json.dumps(base)}")
    lines += ["tags:", "- text-classification", "- gpt-classifier-bench", "metrics:", "- accuracy", "- f1"]
    lines += [
        "model-index:",
        f"- name: {json.dumps(name)}",
        "  results:",
        "  - task:",
        "      type: text-classification",
        "    dataset:",
        f"      name: {json.dumps(report.data.name)}",
        f"      type: {json.dumps(report.data.name)}",
        "      split: test",
        "    metrics:",
    ]
    for kind, value in metrics:
        lines += [f"    - type: {kind}", f"      value: {value:.4f}"]
    return [*lines, "---"]


def _base_model(recipe: Recipe) -> str | None:
    """The hub's id of the model that was started from; None for one that is not there."""
    if recipe.backbone is None or recipe.weights == "random":
        return None
    repo = hub_repo(recipe.model)
    return None if repo is None else split_revision(repo)[0]


def _weights(recipe: Recipe) -> list[str]:
    """A line on where the weights come from, which says what was done to them."""
    if recipe.backbone is None or recipe.weights == "random":
        return []
    return [f"- Weights: {markdown_line(recipe.model)}, {markdown_line(weights_source(recipe.model))}"]


def _body(name: str, recipe: Recipe, labels: Sequence[str], report: FitReport) -> list[str]:
    data, test, calibration = report.data, report.test, report.calibration
    lines = [
        f"# {name}",
        "",
        f"Classifies a text as one of {len(labels)}: {', '.join(f'`{markdown_line(label)}`' for label in labels)}.",
        "",
        f'    python -m gptcore predict {name} "some text"',
        "",
        "## Training",
        "",
        f"- Recipe: `{recipe.id}` (in `classifier.json`), seed {report.seed}",
        *_weights(recipe),
        f"- Data: {markdown_line(data.name)}, {data.n_train + data.n_validation:,} texts for training and validation, "
        f"{data.n_test:,} for the test; SHA-256 `{data.fingerprint}`",
        f"- Classes: {', '.join(f'{markdown_line(label)} {n:,}' for label, n in data.classes.items())}",
    ]
    if report.tokens_per_row is not None:
        lines.append(
            f"- Reads the first {report.tokens_per_row:,} tokens of a text (special ones included), as in training; "
            "`--long window` reads all of it"
        )
    if report.epochs is not None:
        lines.append(f"- Epochs: {report.epochs}; then trained on train and validation")
    lines.append(_temperature(calibration))
    if (costs := report.costs) is not None:
        lines.append(
            f"- Answers `{markdown_line(costs.positive)}` from a probability of {costs.threshold:.4f}: a false one "
            f"costs {costs.false_positive:g} missed ones. Cost on the test part {costs.test_cost:g}, without the "
            f"threshold {costs.test_cost_without:g}"
        )
    lines += [
        "",
        "## Test",
        "",
        f"On {test.n:,} unseen texts: {test.correct:,} right ({100 * test.accuracy:.1f}%), macro-F1 "
        f"{test.macro_f1:.3f}, log-loss {test.log_loss:.4f}, calibration error {100 * test.calibration_error:.1f}%; "
        f"{markdown_line(majority_line(report))}.",
        "",
        "| True \\ answered | " + " | ".join(markdown_line(label) for label in labels) + " |",
        "|:---|" + "---:|" * len(labels),
    ]
    lines += [
        f"| {markdown_line(label)} | " + " | ".join(str(n) for n in row) + " |"
        for label, row in zip(labels, test.confusion, strict=True)
    ]
    if notes := [*report.notes, *filter(None, [majority_warning(report)])]:
        lines += ["", "## Notes", "", *(f"- {markdown_line(note)}" for note in notes)]
    versions = ", ".join(f"{library} {version}" for library, version in report.versions.items())
    return [*lines, "", f"Made with {versions}."]


def _temperature(found: Calibration) -> str:
    on = f"{found.n_texts:,} validation texts"
    if found.temperature == 1:
        return (
            f"- Temperature: 1, which is not fitted (see the notes). Log-loss on {on} {found.log_loss_before:.4f}, "
            f"calibration error {100 * found.error_before:.1f}%"
        )
    return (
        f"- Temperature: {found.temperature:.3f}, fitted on {on}, with the model before it learned from them too. Its "
        f"log-loss on them {found.log_loss_before:.4f} before, {found.log_loss_after:.4f} after; calibration error "
        f"{100 * found.error_before:.1f}% before, {100 * found.error_after:.1f}% after"
    )
