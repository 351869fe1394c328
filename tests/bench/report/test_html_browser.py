"""report.html in a real Chromium: it sorts, filters, zooms, prints, fits any width, and asks for nothing."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from bench.evidence.results import collect
from bench.records.store import save_record
from bench.records.stored import record_path
from bench.records.study import Study
from bench.report.html import write_html
from tests.browsing import note_complaints

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

ROWS = (
    "baseline",
    "first-token",
    "lora",
    "all-layers",
    "full-context",
    "high-lr",
    "xl",
    "features",
    "tf-idf",
)
EVIL = '</script><script>alert(1)</script><img src="x" onerror="alert(2)">'


@pytest.fixture(scope="module")
def folder(study: Study, studies: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's folder with report.html and the records that it links to."""
    folder = tmp_path_factory.mktemp("study")
    long = "w" * 150  # must not push anything out of the page
    records = studies.make_records(
        study.model_copy(update={"rows": [r for r in study.rows if r.name in ROWS]})
    )
    rows = [
        row.model_copy(update={"note": EVIL, "name": long if row.name == "features" else row.name})
        for row in study.rows
        if row.name in ROWS
    ]
    few = study.model_copy(update={"rows": rows, "name": long, "about": EVIL, "command": f"bench {long}"})
    for record in records:
        save_record(folder, record)
    (folder / "summary.csv").write_text("row\n")
    write_html(folder / "report.html", collect(few, records))
    return folder


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of, and every request but for the page itself."""
    return []


@pytest.fixture
def page(browser: "Browser", folder: Path, complaints: list[str]) -> Iterator["Page"]:
    """The report, open at 1600 pixels; afterwards there must be no complaint."""
    page = browser.new_page(
        viewport={"width": 1600, "height": 1000}, color_scheme="light", reduced_motion="reduce"
    )
    page.set_default_timeout(5000)
    note_complaints(page, complaints)
    url = (folder / "report.html").as_uri()
    page.goto(url)
    yield page
    page.close()
    assert [complaint for complaint in complaints if complaint != f"request: {url}"] == []


def names(page: "Page", table: str = "#results-table") -> list[str]:
    """The rows of a table that can be seen, from the top."""
    found = page.locator(f"{table} tbody tr:visible th").all_inner_texts()
    return [re.split(r"[\n\d]", text)[0] for text in found]


def column(page: "Page", index: int, table: str = "#results-table") -> list[float]:
    """The figures of a column that has them, from the top."""
    values = page.locator(f"{table} tbody tr").evaluate_all(
        "(rows, index) => rows.map((row) => row.cells[index].dataset.value ?? null)", index
    )
    return [float(value) for value in values if value is not None]


def click_heading(page: "Page", text: str, table: str = "#results-table") -> str | None:
    heading = page.locator(f"{table} thead th", has_text=text)
    heading.locator("button").click()
    return heading.get_attribute("aria-sort")


def test_it_sorts_figures_and_texts_both_ways_and_back(page: "Page") -> None:
    study_order = names(page)
    assert study_order[:2] == ["baseline", "first-token"]
    index = [text.strip() for text in page.locator("#results-table thead th").all_inner_texts()].index(
        "Run alone, s"
    )
    assert click_heading(page, "Run alone") == "descending"
    assert column(page, index) == sorted(column(page, index), reverse=True)
    assert len(column(page, index)) > 5
    assert click_heading(page, "Run alone") == "ascending"
    assert column(page, index) == sorted(column(page, index))
    assert click_heading(page, "Run alone") == "none"
    assert names(page) == study_order
    assert click_heading(page, "Row") == "ascending"
    assert names(page) == sorted(study_order)
    assert click_heading(page, "Row") == "descending"
    assert names(page) == sorted(study_order, reverse=True)
    assert (
        page.locator("#results-table [aria-sort=ascending], #results-table [aria-sort=descending]").count()
        == 1
    )


def test_rows_without_a_figure_come_last_either_way(page: "Page") -> None:
    for _ in range(2):
        click_heading(page, "Parameters")
        assert names(page)[-1] == "tf-idf"


def test_it_sorts_with_the_keyboard(page: "Page") -> None:
    page.locator("#results-table thead button").first.focus()
    page.keyboard.press("Enter")
    assert names(page) == sorted(names(page))


def test_it_filters_by_words_and_by_verdict(page: "Page") -> None:
    everything = names(page)
    tools = page.locator("[data-for=results-table]")
    tools.locator("input").fill("TRAIN = lora")
    assert names(page) == ["lora"]
    assert tools.locator(".shown").inner_text() == f"1 of {len(everything)} rows"
    tools.locator("input").fill("")
    assert names(page) == everything
    tools.locator("select").select_option("worse")
    worse = page.locator("#results-table tbody tr:visible td .call").all_inner_texts()
    assert worse
    assert all("worse" in text for text in worse)
    tools.locator("input").fill("no such row")
    assert names(page) == []


def test_verdicts_read_without_colour(page: "Page") -> None:
    texts = page.locator("#results-table .call").all_inner_texts()
    assert texts
    for text in texts:
        assert re.fullmatch(
            r"(▲ better|▼ worse|△ model better|▽ model worse|= no difference|\? undecided)", text
        )


@pytest.mark.parametrize("width", [400, 900, 1600])
def test_it_fits_the_width(page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function(
        "(width) => Number(document.querySelector('.plot svg').getAttribute('width')) < width", arg=width
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert float(page.locator("body").evaluate("(body) => parseFloat(getComputedStyle(body).fontSize)")) >= 14
    if width == 400:
        box = page.locator(".scroll").first
        assert box.evaluate(
            "(box) => box.scrollWidth > box.clientWidth"
        )  # wide tables scroll in their own box


def contrast(page: "Page", selector: str) -> float:
    """Contrast of a text with what is behind it (WCAG 2.2, 1.4.3)."""
    colours = page.locator(selector).first.evaluate(
        """(element) => {
            const back = (e) => { const c = getComputedStyle(e).backgroundColor;
                return c === "rgba(0, 0, 0, 0)" && e.parentElement ? back(e.parentElement) : c; };
            return [getComputedStyle(element).color, back(element)];
        }"""
    )
    lights = []
    for colour in colours:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        lights.append(
            sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        )
    return (max(lights) + 0.05) / (min(lights) + 0.05)


READ = (
    "body",
    ".muted",
    "thead th",
    ".call-worse",
    ".call-undecided",
    ".seeds a",
    ".tiles dt",
    "nav a",
    ".plot .name",
)


def test_dark_follows_the_system_and_the_button(page: "Page") -> None:
    def background() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = background()
    for selector in READ[:-1]:
        assert contrast(page, selector) >= 4.5, selector
    page.emulate_media(color_scheme="dark")
    page.locator("html[data-theme=dark]").wait_for()
    dark = background()
    assert dark != light
    for selector in READ[:-1]:
        assert contrast(page, selector) >= 4.5, selector
    page.get_by_role("button", name="Switch to light colours").click()
    assert background() == light
    page.reload()
    assert background() == light  # the choice lasts


def plot(page: "Page", name: str) -> Any:
    """A plot's SVG, in view."""
    svg = page.locator(f'[data-plot="{name}"] svg')
    svg.scroll_into_view_if_needed()
    return svg


def ticks(page: "Page", name: str) -> list[float]:
    """The figures under a plot."""
    texts = plot(page, name).locator("text[text-anchor=middle]").all_text_contents()
    return [float(text) for text in texts if re.fullmatch(r"[\d.]+", text)]


def test_plots_zoom_and_come_back(page: "Page") -> None:
    def span() -> float:
        shown = ticks(page, "accuracy")
        return max(shown) - min(shown)

    whole = span()
    page.get_by_role("button", name="Zoom in: Test accuracy of every row").click()
    assert span() < whole
    page.get_by_role("button", name="Show all: Test accuracy of every row").click()
    assert span() == whole
    plot(page, "accuracy").focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    near = ticks(page, "accuracy")
    assert max(near) - min(near) < whole / 2
    page.keyboard.press("Shift+ArrowRight")
    assert max(ticks(page, "accuracy")) > max(near)
    page.keyboard.press("0")
    assert span() == whole


def test_plots_zoom_with_the_wheel_and_move_by_dragging(page: "Page") -> None:
    whole = ticks(page, "accuracy-time")
    box = plot(page, "accuracy-time").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    before = page.evaluate("scrollY")
    page.keyboard.down("Control")
    for _ in range(6):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_function(
        "(whole) => [...document.querySelectorAll('[data-plot=accuracy-time] text[text-anchor=middle]')]"
        ".map((text) => text.textContent).filter(Number).join() !== whole",
        arg=",".join(f"{tick:g}" for tick in whole),
    )
    near = ticks(page, "accuracy-time")
    assert page.evaluate("scrollY") == before
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 200, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    moved = ticks(page, "accuracy-time")
    assert moved != near
    assert min(moved) >= min(near)  # dragged to the left: what lies right comes into view


def test_points_have_tooltips_by_mouse_and_by_keyboard(page: "Page") -> None:
    tip = page.locator('[data-plot="accuracy"] .tip')
    assert tip.is_hidden()
    plot(page, "accuracy").locator("circle.mean").first.hover()
    assert tip.locator("b").inner_text() == "baseline"
    assert re.search(r"9\d\.\d\d%, mean of 3 seeds\n95% interval", tip.inner_text())
    plot(page, "accuracy").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert tip.is_visible()
    assert page.locator("#live").inner_text().startswith("baseline, ")
    page.keyboard.press("Enter")  # the first point is a seed's
    assert page.locator("dialog").is_visible()


def test_every_seed_opens_its_record_which_resolves(page: "Page", folder: Path) -> None:
    links = page.locator("#results-table .seeds a")
    for i in (0, 4, links.count() - 1):
        links.nth(i).click()
        panel = page.locator("dialog")
        run = panel.locator("h2").inner_text()
        assert links.nth(i).get_attribute("href") == f"#run-{run}"
        content = json.loads(record_path(folder, run).read_text())
        if content["status"] == "done":
            right = content["metrics"]["test"]["correct"]
            assert f"{right} of 300" in panel.inner_text()
        url = panel.locator("a").first.evaluate("(link) => link.href")
        assert url == record_path(folder, run).as_uri()
        page.keyboard.press("Escape")
        assert panel.is_hidden()
        assert page.evaluate("document.activeElement.hash") == f"#run-{run}"  # back where one was


def test_a_record_can_be_linked_to(page: "Page") -> None:
    href = page.locator("#results-table .seeds a").first.get_attribute("href")
    page.evaluate("(hash) => history.replaceState(null, '', hash)", href)
    page.reload()
    assert page.locator("dialog h2").inner_text() == (href or "")[len("#run-") :]


def test_it_prints_everything_without_controls(page: "Page", tmp_path: Path) -> None:
    page.locator("[data-for=results-table] input").fill("lora")
    page.emulate_media(media="print", color_scheme="dark")
    assert len(names(page)) == 8  # a filter narrows the screen, not the paper
    for selector in ("nav", ".tools", ".zoom", "#records"):
        assert page.locator(selector).first.is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.get_by_text("is the mean over the seeds that finished").is_visible()  # closed on the screen
    pdf = page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 3


def test_it_can_be_read_without_script(browser: "Browser", folder: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto((folder / "report.html").as_uri())
    assert page.locator("#results-table").is_visible()
    assert page.locator("[data-for=results-table]").is_hidden()
    page.locator("#results-table .seeds a").first.click()
    assert page.locator(".record-body").first.is_visible()
    page.context.close()
