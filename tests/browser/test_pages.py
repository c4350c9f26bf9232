"""The pages in a real browser: what people see and do."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import drawn, train

pytestmark = pytest.mark.system

OpenPage = Callable[..., Page]


def test_one_click_leads_from_nothing_to_a_model_that_is_explained(open_page: OpenPage) -> None:
    page = open_page("/")
    page.get_by_role("button", name="Train on the two moons").click()
    page.wait_for_url("**/jobs/job_*")
    expect(page.get_by_role("status").first).to_have_text("succeeded", timeout=30_000)
    expect(page.locator("#now")).to_contain_text("accuracy")
    page.get_by_role("link", name="Explain the model").click()
    page.wait_for_url("**/models/mdl_*")
    expect(page.locator("#prediction")).to_contain_text("%")
    expect(page.locator("#slopes tr")).to_have_count(2)


def test_watch_is_drawn_from_little(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/jobs/{job['id']}")
    assert drawn(page) < 3_000  # 0.2 s where nothing else runs; tests share their cores
    loaded = page.evaluate(LOADED, drawn(page))
    assert 10_000 < loaded < 150_000


@pytest.mark.parametrize("path", ["/jobs/{id}", "/models/{model_id}"])
def test_what_a_page_sends_ahead_is_what_its_script_asks_for(
    open_page: OpenPage, job: dict[str, Any], path: str
) -> None:
    page = open_page(path.format(**job))
    asked = page.evaluate(ASKED, drawn(page))
    ahead = page.locator("link[rel=preload]").evaluate_all("all => all.map(each => each.href)")
    assert len(ahead) >= 3
    assert [asked.count(address) for address in ahead] == [1] * len(
        ahead
    )  # a second one would be the script's
    scripts = page.locator("link[rel=modulepreload]").evaluate_all("all => all.map(each => each.href)")
    assert [each for each in asked if "/static/parts/" in each and each not in scripts] == []


def test_the_time_cursor_drives_everything(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/jobs/{job['id']}")
    cursor = page.get_by_label("Time")
    expect(cursor).to_have_attribute("max", re.compile(r"[1-9]\d"))
    expect(page.locator("#now")).to_contain_text("epoch 150 of 150")
    last = pictures(page)
    cursor.focus()
    page.keyboard.press("Home")
    expect(page.locator("#now")).to_contain_text("epoch 0 of 150")
    expect(cursor).to_have_attribute("aria-valuetext", "epoch 0")
    assert all(first != then for first, then in zip(pictures(page), last, strict=True))
    page.keyboard.press("ArrowRight")
    expect(page.locator("#now")).to_contain_text("epoch 1 of 150")
    expect(page).to_have_url(re.compile(r"\?epoch=1$"))
    again = open_page(f"/jobs/{job['id']}?epoch=1")
    expect(again.locator("#now")).to_contain_text("epoch 1 of 150")


def pictures(page: Page) -> list[str]:
    """The surface and the network as they are drawn now."""
    page.evaluate("() => new Promise(requestAnimationFrame)")  # what was asked for last is drawn
    look = "() => [...document.querySelectorAll('#surface, .network canvas')].map(each => each.toDataURL())"
    found: list[str] = page.evaluate(look)
    return found


def test_each_of_ten_classes_has_a_mark_of_its_own(open_page: OpenPage, service: str) -> None:
    job = train(service, "digits", [16], training={"epochs": 5, "early_stopping": None})
    page = open_page(f"/jobs/{job['id']}")
    marks = page.locator("#legend li")
    expect(marks).to_have_count(10)
    look = "all => all.map(each => each.className + each.querySelector('.mark').textContent)"
    assert len(set(marks.evaluate_all(look))) == 10


@pytest.mark.parametrize(
    ("sample", "layers", "units"),
    [("sine", [8], "1, 8, 1"), ("diabetes", [8], "10, 8, 1"), ("wine", [40], "13, 40, 3")],
)
def test_a_network_of_any_shape_is_replayed(
    open_page: OpenPage, service: str, sample: str, layers: list[int], units: str
) -> None:
    job = train(service, sample, layers, training={"epochs": 5, "early_stopping": None})
    page = open_page(f"/jobs/{job['id']}?epoch=0")
    expect(page.locator("#now")).to_contain_text("epoch 0 of 5")
    expect(page.locator("#network")).to_have_attribute("aria-label", re.compile(f"^Network: {units} units"))
    expect(page.locator("#surface")).to_be_visible()
    before = pictures(page)
    page.get_by_label("Time").focus()
    page.keyboard.press("End")
    expect(page.locator("#now")).to_contain_text("epoch 5 of 5")
    assert pictures(page) != before


def test_one_input_has_a_curve_among_the_data(open_page: OpenPage, service: str) -> None:
    job = train(service, "sine", [8], training={"epochs": 5, "early_stopping": None})
    page = open_page(f"/jobs/{job['id']}")
    expect(page.locator("#surface")).to_have_attribute("aria-label", re.compile("answers over x1 at epoch 5"))
    expect(page.locator("#legend")).to_contain_text("y in the data")
    page = open_page(f"/models/{job['model_id']}")
    drawn(page)
    before = pictures(page)[0]
    page.get_by_role("slider", name="x1").focus()
    page.keyboard.press("PageUp")
    expect(page.locator("#surface")).to_have_attribute("aria-label", re.compile(r"the cross marks x1 -?\d"))
    assert pictures(page)[0] != before


def test_play_goes_from_the_first_to_the_last(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/jobs/{job['id']}")
    expect(page.get_by_label("Time")).to_have_attribute("max", re.compile(r"[1-9]\d"))
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Play")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#now")).to_contain_text("epoch 150 of 150", timeout=20_000)
    expect(page.get_by_role("button", name="Play")).to_have_attribute("aria-pressed", "false")


def test_without_its_dataset_a_training_still_shows_its_curves(open_page: OpenPage, service: str) -> None:
    job = train(service, "moons", [4], training={"epochs": 10, "early_stopping": None})
    assert httpx.delete(f"{service}/api/v1/datasets/{job['dataset_id']}").status_code == 204
    page = open_page(f"/jobs/{job['id']}", complain=False)
    expect(page.locator("#now")).to_contain_text("epoch 10 of 10")
    expect(page.get_by_text("The dataset was deleted")).to_be_visible()
    expect(page.locator("#network")).to_be_hidden()


def test_a_step_is_looked_at_closely(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/jobs/{job['id']}?epoch=2")
    expect(page.locator("#now")).to_contain_text("epoch 2 of 150")
    page.get_by_role("button", name="Look at the step after the cursor").click()
    expect(page.locator("#step-title")).to_contain_text("epoch 3: loss")
    expect(page.locator("#step tr")).to_have_count(3)


def test_sliders_move_answer_and_derivatives(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/models/{job['model_id']}")
    expect(page.locator("#slopes tr")).to_have_count(2)
    before = page.locator("#slopes").inner_text()
    page.get_by_role("slider", name="x1").focus()
    for _ in range(5):
        page.keyboard.press("PageUp")
    expect(page.locator("#slopes")).not_to_have_text(before, use_inner_text=True)
    value = page.get_by_role("slider", name="x1").input_value()
    expect(page).to_have_url(re.compile(rf"x1={re.escape(value)}&x2="))
    shown = page.url
    again = open_page(shown[shown.index("/models") :])
    drawn(again)
    expect(page.locator("#slopes")).to_have_text(again.locator("#slopes").inner_text(), use_inner_text=True)


def test_a_neuron_unfolds_and_folds_by_keyboard(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/models/{job['model_id']}")
    page.get_by_role("button", name="neuron L1.n1", exact=True).focus()  # the one that Tab reaches
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="neuron L1.n3", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    drawing = page.locator("#drawing svg")
    expect(drawing).to_contain_text("L1.n3")
    expect(drawing).not_to_contain_text("L1.n3.w2")
    page.get_by_role("button", name="Every operation").click()
    expect(drawing).to_contain_text("L1.n3.w2")
    expect(page).to_have_url(re.compile("neuron=L1.n3&level=scalar"))
    page.get_by_role("button", name="Fold it up").click()
    expect(drawing).to_have_count(0)


def test_the_trace_is_walked_with_its_numbers(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/models/{job['model_id']}")
    page.get_by_role("button", name="Step by step").click()
    words = page.locator(".step")
    expect(words).to_contain_text("backward: from L3.n1")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#steps .figure")).to_contain_text("local derivative")


def test_steps_through_one_neuron_are_marked_in_its_drawing(open_page: OpenPage, job: dict[str, Any]) -> None:
    page = open_page(f"/models/{job['model_id']}?neuron=L1.n2&level=scalar&trace=on")
    expect(page.locator(".step")).to_contain_text("backward: from L1.n2 (tanh) to L1.n2.sum")
    expect(page.locator("#drawing .node.chosen")).to_contain_text("L1.n2.sum")
    page.get_by_role("slider", name="Step").focus()
    page.keyboard.press("End")
    last = page.locator(".step").inner_text()
    page.get_by_role("slider", name="x1").focus()
    page.keyboard.press("PageUp")  # other numbers, the same place
    expect(page).to_have_url(re.compile(r"x1=(?!0\.5006).*&neuron=L1\.n2"))
    expect(page.locator(".step")).to_have_text(last)


def test_the_sandbox_is_live_and_says_what_is_wrong(open_page: OpenPage) -> None:
    page = open_page("/sandbox")
    expect(page.locator("#result")).to_have_text("0.9993293")
    page.get_by_label("c", exact=True).fill("6")
    expect(page.locator("#result")).to_have_text("0")
    page.get_by_role("textbox", name="Expression").fill("x**2 + relu(y)")
    expect(page.get_by_label("x", exact=True)).to_be_visible()
    expect(page.locator("#result")).to_have_text("2")
    expect(page.locator("#graph svg")).to_contain_text("ReLU")


# Bytes that had come over the wire when the page was drawn.
LOADED = """drawn => performance.getEntries().filter(e => e.transferSize && e.responseEnd <= drawn)
  .reduce((sum, e) => sum + e.transferSize, 0)"""
# What the page had asked for until then.
ASKED = """drawn => performance.getEntriesByType('resource')
  .filter(e => e.startTime < drawn).map(e => e.name)"""
