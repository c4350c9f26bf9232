"""Names that users give are shown, never obeyed: markup, scripts, and signs that turn the text around."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import train_on

pytestmark = pytest.mark.system

OpenPage = Callable[..., Page]
EVIL = '<img src=x onerror="window.obeyed=1">'
TURNED, SHOWN = "ab\u202ec\u200bd\U000e0041", "ab[U+202E]c[U+200B]d[U+E0041]"
COLUMNS = [f"size {EVIL}", "colour", f"y {EVIL}"]


@pytest.fixture(scope="module")
def job(service: str) -> dict[str, Any]:
    """A training on a table whose every name is hostile."""
    rows = [[float(i), (TURNED, f"</script>{EVIL}")[i % 2], (EVIL, TURNED)[i // 30]] for i in range(60)]
    return train_on(service, {"name": EVIL, "columns": COLUMNS, "rows": rows}, [3])


def test_the_watch_page_shows_them_as_they_are(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/jobs/{job['id']}")
    expect(page.locator("#recipe")).to_contain_text(EVIL)
    expect(page.locator("#network title").first).to_have_text(f"size {EVIL}")
    page.get_by_role("button", name="List the rows with the greatest loss").click()
    expect(page.locator("#worst-rows")).to_contain_text(SHOWN)
    stays_inert(page)


def test_the_explain_page_shows_them_as_they_are(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/models/{job['model_id']}?neuron=L1.n1&level=scalar&trace=on")
    expect(page.locator("#inputs")).to_contain_text(f"size {EVIL}")
    expect(page.locator("#prediction")).to_contain_text(SHOWN)
    expect(page.locator("#slopes")).to_contain_text(f"colour=</script>{EVIL}")
    expect(page.locator("#drawing svg")).to_contain_text(f"colour={SHOWN}")
    page.locator("#inputs select").select_option(f"</script>{EVIL}")
    expect(page.locator("#commands")).to_contain_text("onerror")
    stays_inert(page)


@pytest.mark.parametrize("path", ["/", "/jobs", "/models"])
def test_lists_show_them_as_they_are(open_page: OpenPage, job: dict[str, Any], path: str) -> None:
    page = open_page(path)
    expect(page.locator("tbody tr").first).to_be_visible()
    stays_inert(page)


def stays_inert(page: Page) -> None:
    assert page.evaluate("() => window.obeyed ?? null") is None
    assert page.locator("img").count() == 0
    assert not {"\u202e", "\u200b", "\U000e0041"} & {*page.locator("body").inner_text()}
