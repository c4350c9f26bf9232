"""What pages say to those who cannot see them or use no pointer: WCAG 2.2 AA, as far as it is computed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import drawn

pytestmark = pytest.mark.system

OpenPage = Callable[..., Page]
PAGES = (
    "/",
    "/jobs",
    "/jobs/{id}",
    "/models",
    "/models/{model_id}?neuron=L1.n2&level=scalar&trace=on",
    "/sandbox",
    "/system",
    "/problems",
    "/problems/not_found",
)
OPERATED = "button|link|slider|textbox|spinbutton|combobox|checkbox"


@pytest.mark.parametrize("path", PAGES)
def test_the_tree_has_landmarks_and_everything_in_it_a_name(
    open_page: OpenPage, job: dict[str, Any], path: str
) -> None:
    tree = tree_of(open_page(path.format(**job)))
    assert '- navigation "Main":' in tree
    assert "- main:" in tree
    assert len(re.findall(r"- heading .*\[level=1\]", tree)) == 1
    assert not re.search(rf"- ({OPERATED}|img|table|region|group)( \[[^]]*\])*:?\s*$", tree, re.MULTILINE), (
        tree
    )


def tree_of(page: Page) -> str:
    """The accessibility tree as the browser has it, once the page is drawn."""
    if page.locator("script").count():
        drawn(page)
    return str(page.locator("body").aria_snapshot())


def test_pictures_say_in_words_what_they_show(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/jobs/{job['id']}?epoch=3")
    expect(page.locator("#now")).to_contain_text("epoch 3 of 150")
    tree = tree_of(page)
    for words in (
        r'slider "Time": "\d+"',
        "What the network answers over x1 and x2 at epoch 3",
        r"Loss over epochs; at epoch 3 it is 0\.\d+",
        r"accuracy over epochs; at epoch 3 it is",
        "Network: 2, 16, 16, 1 units",
    ):
        assert re.search(words, tree), (words, tree)
    assert re.search(r"status: succeeded", tree)


def test_the_numbers_of_an_explanation_are_in_the_tree(open_page: OpenPage, job: dict[str, Any]) -> None:
    tree = tree_of(open_page(f"/models/{job['model_id']}"))
    assert re.search(r'row "∂ score / ∂ x1 [+−][\d.e+-]+"', tree), tree
    assert re.search(r'slider "x1"', tree)
    assert re.search(r'spinbutton "x1, typed"', tree)
    assert 'button "neuron L2.n16"' in tree
    assert 'combobox "Neuron"' in tree


@pytest.mark.parametrize(
    "path", ["/", "/jobs/{id}", "/models/{model_id}?neuron=L1.n2", "/sandbox", "/system"]
)
def test_tab_goes_through_the_page_in_its_order_and_out_again(
    open_page: OpenPage, job: dict[str, Any], path: str
) -> None:
    page = open_page(path.format(**job))
    drawn(page)
    page.evaluate("() => document.activeElement.blur()")
    seen: list[int] = []
    while True:
        page.keyboard.press("Tab")
        place = page.evaluate(FOCUSED)
        if place is None or place["at"] in seen:
            break
        assert place["outline"], place
        seen.append(place["at"])
    assert seen == sorted(seen)
    assert page.evaluate("seen => [...document.querySelectorAll('*')][seen].className", seen[0]) == "skip"
    assert set(page.evaluate(REACHABLE)) == set(seen)


def test_an_error_is_announced_and_goes_when_it_is_mended(open_page: OpenPage) -> None:
    page = open_page("/sandbox", complain=False)
    alert = page.get_by_role("alert")
    page.get_by_role("textbox", name="Expression").fill("a +* b")
    expect(alert).to_contain_text("at character")
    page.get_by_role("textbox", name="Expression").fill("a * b")
    expect(alert).to_be_empty()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_and_have_contrast(
    open_page: OpenPage, job: dict[str, Any], path: str, scheme: str
) -> None:
    page = open_page(path.format(**job), color_scheme=scheme, viewport={"width": 360, "height": 800})
    tree_of(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert page.evaluate(FAINT) == []
    assert page.evaluate(FAINT_LINES) == []
    assert page.evaluate(SMALL) == []


def test_play_is_slow_where_motion_is_to_be_reduced(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/jobs/{job['id']}", reduced_motion="reduce")
    expect(page.get_by_label("Time")).to_have_attribute("max", re.compile(r"[1-9]\d"))
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(900)
    assert int(page.get_by_label("Time").input_value()) <= 2


# Where the focus is, by position in the document, and whether that can be seen.
FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const style = getComputedStyle(e);
  return { at: [...document.querySelectorAll('*')].indexOf(e), words: e.outerHTML.slice(0, 80),
    outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 };
}"""

# Everything that a keyboard must reach; of the neurons one, the arrows lead to the others.
REACHABLE = """() => [...document.querySelectorAll('*')].map((e, i) => [e, i])
  .filter(([e]) => e.matches('a[href], button:enabled, input, select, summary, [tabindex="0"]'))
  .filter(([e]) => e.checkVisibility()).map(([, i]) => i)"""

# Text against what lies behind it, by WCAG 2.2's formula: 4.5 at least.
_LIGHT = """
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const part = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ratio = (one, other) => {
    const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); };
  const ground = e => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if ((c[3] ?? 1) > 0) return c;
  } return [255, 255, 255]; };"""
FAINT = f"""() => {{{_LIGHT}
  const colour = e => parse(getComputedStyle(e)[e instanceof SVGElement ? 'fill' : 'color']);
  return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && e.tagName !== 'title'
      && !e.closest('[aria-hidden]') && !e.disabled
      && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => [ratio(colour(e), ground(e)), e.outerHTML.slice(0, 80)])
    .filter(([found]) => !(found >= 4.5));
}}"""

# What is no text but must be seen: edges of controls, lines of drawings and curves. 3 at least.
FAINT_LINES = f"""() => {{{_LIGHT}
  const hex = text => [1, 3, 5].map(i => parseInt(text.slice(i, i + 2), 16)), found = [];
  const root = getComputedStyle(document.documentElement);
  const named = name => hex(root.getPropertyValue('--canvas-' + name).trim());
  const look = (name, a, b) => ratio(a, b) >= 3 || found.push([name, ratio(a, b)]);
  for (const name of ['first', 'second', 'mark', 'line']) look(name, named(name), ground(document.body));
  for (const name of ['first', 'second']) look(name, named(name), named('soft'));
  const look_at = (selector, colour, back) => {{
    for (const e of document.querySelectorAll(selector)) {{
      if (e.checkVisibility()) look(e.outerHTML.slice(0, 60), parse(getComputedStyle(e)[colour]), back(e));
    }}
  }};
  const fields = 'button:enabled, input[type=text], input[type=number], select';
  look_at(fields, 'borderTopColor', e => ground(e.parentElement));
  look_at('.drawing .node polygon, .drawing .edge path', 'stroke', ground);
  return found;
}}"""

# Targets of at least 24 by 24 pixels; links in running text and neurons, which the list names too, need not.
SMALL = """() => [...document.querySelectorAll('button, input, select, summary, nav a, a.button')]
  .filter(e => e.checkVisibility())
  .map(e => [e.getBoundingClientRect(), e.outerHTML.slice(0, 80)])
  .filter(([box]) => box.width < 24 || box.height < 24)
  .map(([box, words]) => [box.width, box.height, words])"""
