"""report.html as text: what it says, that hostile texts stay texts, that it needs nothing from outside."""

import hashlib
import json
import re
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pytest

from bench.evidence.results import Results, collect
from bench.records.record import Predictions, Record
from bench.records.study import Study
from bench.report import html
from bench.report.html import render
from bench.report.text import percent
from gptcore.result import PaddingCheck

VOID = {"meta", "input", "br", "hr", "img", "link"}
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7 * 7 }}\x1b[31m\u2028\x00 漢"


class Page(HTMLParser):
    """Ids, attributes and cells of a page; fails where a tag is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.code: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.tags.append((tag, values))
        if name := values.get("id"):
            self.ids.append(name)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside in ("script", "style"):
            kind = self.tags[-1][1].get("type") or inside
            self.code[kind] = self.code.get(kind, "") + data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All that a reader sees, on one line."""
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        """Every value of an attribute."""
        return [value for _, values in self.tags if (value := values.get(name)) is not None]


@pytest.fixture(scope="module")
def page(results: Results) -> Page:
    return Page(render(results))


def hostile_study(study: Study, studies: ModuleType) -> tuple[Study, list[Record]]:
    """A small study with markup in every text that comes from outside."""
    rows = [
        study.row("baseline"),
        study.row("first-token").model_copy(update={"name": EVIL, "note": EVIL, "question": EVIL}),
        study.row("lora").model_copy(update={"name": f"{EVIL}2", "against": EVIL, "excluded": EVIL}),
    ]
    dataset = study.dataset.model_copy(update={"label_names": (EVIL, "spam"), "name": EVIL})
    hostile = study.model_copy(
        update={
            "rows": rows,
            "dataset": dataset,
            "questions": {EVIL: EVIL},
            "warnings": [EVIL],
            **dict.fromkeys(("name", "about", "command", "matrix", "models"), EVIL),
        }
    )
    place = studies.make_record(rows[0], 0, 0.9, 2).environment.model_copy(update={"cpu": EVIL})
    records = [
        studies.make_record(rows[0], 0, 0.9, 2, notes=[EVIL], environment=place, dataset=dataset),
        studies.make_record(rows[0], 1, 0.9, 2),
        studies.make_record(rows[1], 0, 0.8, 2),
        studies.make_unfinished(rows[1], 1, "failed", EVIL).model_copy(update={"output_tail": [EVIL]}),
    ]
    return hostile, records


def test_every_tag_is_closed_and_every_id_is_there_once(page: Page) -> None:
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    targets = {unquote(link[1:]) for link in page.values("href") if link.startswith("#")}
    assert targets <= set(page.ids)
    for name in ("aria-labelledby", "aria-describedby", "for", "data-for"):
        assert set(page.values(name)) <= set(page.ids)


def test_the_figures_are_those_of_the_records(page: Page, results: Results) -> None:
    for result in results.finished:
        assert result.name in page.text
        for figure in (percent(result.accuracy()), *map(percent, result.accuracies())):
            assert figure in page.text
    assert "70 done, 1 failed, 9 skipped; 1 without a record" in page.text
    assert "plain engine" in page.text
    assert "needs 12.4 GiB of memory, 7.1 GiB are there" in page.text
    assert "RuntimeError: loss became nan at step 41" in page.text
    assert results.study.command in page.text
    for question in results.study.questions.values():
        assert question in page.text


def test_metrics_beyond_accuracy(study: Study, studies: ModuleType) -> None:
    baseline = study.row("baseline")
    few = study.model_copy(update={"rows": [baseline], "seeds": study.seeds[:1]})
    labels, predicted = [0, 0, 0, 1], [0, 0, 1, 1]
    shares = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]]
    run = studies.make_record(
        baseline, 0, 0.95, 12, test=Predictions(labels=labels, predicted=predicted, probabilities=shares)
    )
    text = Page(render(collect(few, [run]))).text
    # F1 4/5 and 2/3, recall 2/3 and 1, every spam ranked above every ham, confidences 0.9, 0.9, 0.8, 0.7 of
    # which the last was wrong: (0.1 + 0.1 + 0.2 + 0.7) / 4.
    assert "baseline 73.33 83.33 1.0000 0.200 27.50 1 of 3 0 of 1" in text


def test_every_seed_leads_to_its_record(page: Page, results: Results) -> None:
    links = page.values("href")
    for run in results.runs:
        assert f"#run-{run.run_id}" in links
        assert f"runs/{run.run_id}.json" in links
        assert f"run-{run.run_id}" in page.ids


def test_of_many_runs_the_page_has_links_to_the_files_only(
    study: Study, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "RECORDS_IN_PAGE", 2)
    few = study.model_copy(update={"rows": [study.row("baseline")]})
    page = Page(render(collect(few, records)))
    assert "records" not in page.ids
    for run in collect(few, records).runs:
        assert f"runs/{run.run_id}.json" in page.values("href")
    assert "runs.jsonl.xz" not in page.values("href")


def test_of_a_packed_study_nothing_links_to_files_that_are_not_there(
    study: Study, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    for at_most in (2, 500):  # records: linked, in the page
        monkeypatch.setattr(html, "RECORDS_IN_PAGE", at_most)
        page = render(collect(study, records), is_packed=True)
        assert "runs.jsonl.xz" in Page(page).values("href")
        assert "runs/" not in page


def test_the_plots_data_are_those_of_the_records(page: Page, results: Results) -> None:
    plots = json.loads(page.code["application/json"])
    accuracy = plots["accuracy"]
    means = [point for point in accuracy["points"] if point["kind"] == "mean"]
    assert [point["x"] for point in means] == pytest.approx(
        [100 * (r.accuracy() or 0) for r in results.finished]
    )
    assert [accuracy["y"]["rows"][point["y"]] for point in means] == [r.name for r in results.finished]
    intervals = [line["points"] for line in accuracy["lines"]]
    expected = [[100 * bound for bound in result.interval or ()] for result in results.finished]
    assert [[x for x, _ in line] for line in intervals] == [
        pytest.approx(bounds, abs=1e-3) for bounds in expected
    ]
    seeds = {point["run"]: point["x"] for point in accuracy["points"] if point["kind"] == "seed"}
    assert seeds == {
        run.run_id: pytest.approx(100 * run.metrics.test.accuracy) for run in results.done if run.metrics
    }
    assert accuracy["references"][0]["at"] == pytest.approx(53)
    assert len([name for name in plots if name.startswith("loss-")]) == len(
        {r.recipe_id for r in results.finished if any(run.curves for run in r.done)}
    )
    assert set(page.values("data-plot")) == set(plots)


def test_nothing_comes_from_outside(page: Page) -> None:
    assert not page.values("src")
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "base", "form", "img")]
    for link in page.values("href"):
        assert link.startswith(("#", "runs/", "plots/")) or link == "summary.csv"
    assert not re.search(
        r"url\((?!#)|@import|fetch\(|XMLHttpRequest|import\(", page.code["style"] + page.code["script"]
    )
    assert "http" not in re.sub(re.escape("http://www.w3.org/2000/svg"), "", page.code["script"])
    assert not page.values("style")
    assert not [name for _, values in page.tags for name in values if name.startswith("on")]


def test_the_security_policy_admits_its_own_code_and_no_other(page: Page) -> None:
    policy = next(v["content"] or "" for tag, v in page.tags if tag == "meta" and "http-equiv" in v)
    for kind in ("style", "script"):
        digest = b64encode(hashlib.sha256(page.code[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_hostile_texts_stay_texts(study: Study, studies: ModuleType) -> None:
    study, records = hostile_study(study, studies)
    text = render(collect(study, records))
    page = Page(text)
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("script") == 2  # our data and our code
    assert "img" not in [tag for tag, _ in page.tags]
    assert "49" not in re.findall(r"\d+", page.code["application/json"].split("alert")[1][:60])
    assert "{{ 7 * 7 }}" in page.text
    assert "</script><script>alert(1)</script>" in page.text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", text)
    plots: dict[str, Any] = json.loads(page.code["application/json"])
    assert plots["accuracy"]["y"]["rows"][1].startswith("</script><script>")


def test_the_same_records_give_the_same_bytes(study: Study, records: list[Record]) -> None:
    few = study.model_copy(update={"rows": study.rows[:4]})
    assert render(collect(few, records)) == render(collect(few, records[::-1]))


def test_a_study_without_finished_runs(study: Study) -> None:
    page = Page(render(collect(study, [])))
    assert "No run has finished yet." in page.text
    assert "no record yet" in page.text
    assert "data-plot" not in {name for _, values in page.tags for name in values}


def test_one_seed_and_one_row(study: Study, records: list[Record]) -> None:
    few = study.model_copy(update={"rows": [study.row("baseline")], "seeds": study.seeds[:1]})
    page = Page(render(collect(few, records)))
    assert "1 seed " in page.text or "1 seed," in page.text
    assert "96.00" in page.text
    assert "accuracy-time" not in page.values("data-plot")


def test_what_keeps_verdicts_open_is_said(study: Study, records: list[Record]) -> None:
    rows = [study.row("baseline"), study.row("first-token")]
    one = study.model_copy(
        update={"rows": rows, "seeds": study.seeds[:1], "warnings": ["two changes at once"]}
    )
    page = Page(render(collect(one, records)))
    assert "recipes need three seeds or more" in page.text
    assert "model worse" in page.text
    assert "Two changes at once." in page.text
    assert (
        "recipes need three seeds or more"
        not in Page(render(collect(one.model_copy(update={"seeds": study.seeds}), records))).text
    )


def test_other_paddings_are_shown_where_they_were_tried(study: Study, studies: ModuleType) -> None:
    checks = [PaddingCheck(padding="left", tokens_per_row=204, accuracy=0.81, n_flipped=37)]
    baseline = study.row("baseline")
    few = study.model_copy(update={"rows": [baseline], "seeds": study.seeds[:1]})
    with_checks = studies.make_record(baseline, 0, 0.95, 12, padding=checks)
    text = Page(render(collect(few, [with_checks]))).text
    assert "Padding invariance" in text
    assert "left, longer" in text  # 204 tokens, trained with 120
    assert re.search(r"baseline right 9\d\.\d\d 81\.00 37 differ", text)
    assert (
        "Padding invariance"
        not in Page(render(collect(few, [studies.make_record(baseline, 0, 0.95, 12)]))).text
    )


def test_untrained_models_are_said_to_be(study: Study, studies: ModuleType) -> None:
    few = study.model_copy(update={"rows": [study.row("baseline")]})
    warning = "Figures of randomly initialised weights: there are no pretrained weights for gpt2 yet."
    assert warning in Page(render(collect(few, studies.make_records(few, untrained=True)))).text
    assert warning not in Page(render(collect(few, studies.make_records(few)))).text


def test_the_report_writes_it(report: Path) -> None:
    assert (report.parent / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
