"""The page at / in a real Chromium: it classifies, explains, answers a file, and asks no other server."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gptcore.serving.app import PAGE
from tests.browsing import note_complaints

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EVIL = '<img src=x onerror="alert(1)"> win </div><script>alert(2)</script>'


def test_the_page_names_no_other_place(client: Any) -> None:
    text = PAGE.read_text()
    assert not re.search(r"https?:|//[a-z]|@import|url\(|src=", text.replace("// ", ""))
    reply = client.ask("GET", "/")
    assert (reply.status, reply.body.decode()) == (200, text)
    assert "default-src 'none'" in reply.headers["content-security-policy"]


@pytest.fixture
def page(browser: "Browser", client: Any) -> Iterator["Page"]:
    """The page, open; afterwards there must be no complaint, and no request to another server."""
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": 400, "height": 900})
    page.set_default_timeout(10_000)
    note_complaints(page, complaints)
    page.goto(client.url)
    yield page
    page.close()
    own = (f"request: {client.url}", f"request: blob:{client.url}", "request: data:")
    assert [each for each in complaints if not each.startswith(own) and "422" not in each] == []


@pytest.mark.browser
def test_a_text_is_answered_and_explained(page: "Page", tfidf: Any) -> None:
    text = "win a free prize \U0001f600 home"
    expected = tfidf.explain(text)
    page.locator("#text").fill(text)
    page.locator("#ask").click()
    page.locator("#answer").wait_for()
    assert page.locator("#name").inner_text() == "toy"
    assert page.locator("#explained").inner_text() == text
    chosen = page.locator("tr.chosen").inner_text()
    assert chosen.split() == [expected.label, f"{100 * expected.probability:.1f}", "%"]
    largest = max(abs(word.weight) for word in expected.words)
    moved = [word.text for word in expected.words if word.weight >= 0.1 * largest]
    assert page.locator("#explained [data-side=for]").all_inner_texts() == moved
    assert page.locator("#explained [data-side=against]").all_inner_texts() == ["home"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.browser
def test_a_text_is_never_markup(page: "Page") -> None:
    page.locator("#text").fill(EVIL)
    page.locator("#text").press("Control+Enter")
    page.locator("#answer").wait_for()
    assert page.locator("#explained").inner_text() == EVIL
    assert page.locator("#explained img, #explained script").count() == 0


@pytest.mark.browser
def test_an_empty_text_is_said(page: "Page") -> None:
    page.locator("#ask").click()
    page.locator("#problem.bad").wait_for()
    assert "the text is empty" in page.locator("#problem").inner_text()
    assert page.locator("#answer").is_hidden()


def choose(page: "Page", path: Path) -> None:
    page.locator("#file").set_input_files(path)


def drop(page: "Page", path: Path) -> None:
    """Drag the file over the page's field, and let it go there."""
    dragged = page.evaluate_handle(
        """([name, text]) => {
            const dragged = new DataTransfer();
            dragged.items.add(new File([text], name));
            return dragged;
        }""",
        [path.name, path.read_text()],
    )
    field = page.locator("#drop")
    field.dispatch_event("dragover", {"dataTransfer": dragged})
    assert "over" in (field.get_attribute("class") or "").split()
    field.dispatch_event("drop", {"dataTransfer": dragged})
    assert "over" not in (field.get_attribute("class") or "").split()


@pytest.mark.browser
@pytest.mark.parametrize("give", [choose, drop])
def test_a_file_comes_back(
    page: "Page", tfidf: Any, tmp_path: Path, give: Callable[["Page", Path], None]
) -> None:
    (tmp_path / "mail.csv").write_text("said,n\nwin a prize,1\nsee you at home,2\n")
    give(page, tmp_path / "mail.csv")
    page.locator("#file-said.bad").wait_for()
    assert "name the text column with text_column" in page.locator("#file-said").inner_text()
    page.locator("#column").fill("said")
    give(page, tmp_path / "mail.csv")
    with page.expect_download() as found:
        page.locator("#download").click()
    assert found.value.suggested_filename == "mail-answers.csv"
    found.value.save_as(tmp_path / "answers.csv")
    lines = (tmp_path / "answers.csv").read_text().splitlines()
    assert lines[0] == "said,n,label,probability,cut"
    assert [line.split(",")[2] for line in lines[1:]] == tfidf.predict(["win a prize", "see you at home"])
