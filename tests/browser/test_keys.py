"""The pages of a service that asks for keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from service.access import commands
from service.settings import Settings
from tests.browser.conftest import running_service

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service keeps its data."""
    return tmp_path_factory.mktemp("keyed")


@pytest.fixture(scope="module")
def secrets(folder: Path) -> dict[str, str]:
    """A key that may write, and one that may only read."""
    settings = Settings(
        database_url=f"sqlite:///{folder / 'data' / 'gradhouse.db'}", data_dir=folder / "data"
    )
    (folder / "data").mkdir()
    return {
        scope: commands.create(settings, owner="ada", scope=scope, days=None, note=None)
        for scope in ("write", "read")
    }


@pytest.fixture(scope="module")
def address(folder: Path, secrets: dict[str, str]) -> Iterator[str]:
    """The service that asks for them."""
    with running_service(folder, GRADHOUSE_REQUIRE_KEYS="true") as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window of its own, which has no key yet."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


def enter(page: Page, secret: str) -> None:
    """Types a key into the form that asks for it."""
    page.get_by_label("API key").fill(secret)
    page.get_by_role("button", name="Use this key").click()


def test_a_key_is_asked_for_once_and_stands_in_no_address(
    page: Page, address: str, secrets: dict[str, str]
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    dialog = page.get_by_role("dialog", name="This service wants a key")
    enter(page, "gh_wrong")
    expect(dialog.get_by_role("alert")).to_have_text("the key is wrong, expired or revoked")
    enter(page, secrets["write"])
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("None yet. The first button")).to_be_visible()
    page.get_by_role("button", name="Train on the two moons").click()
    page.wait_for_url("**/jobs/job_*")
    expect(page.locator("#status")).to_have_text("succeeded", timeout=30_000)
    expect(dialog).to_be_hidden()
    page.get_by_text("The same from a terminal").click()
    expect(page.locator("#commands")).to_contain_text('-H "Authorization: Bearer $GRADHOUSE_KEY"')
    page.get_by_role("link", name="Explain the model").click()
    expect(page.locator("#slopes tr")).to_have_count(2)
    assert secrets["write"] not in page.content()
    assert not [url for url in asked if secrets["write"] in url]
    assert page.evaluate("() => localStorage.length + document.cookie.length") == 0


def test_a_key_that_may_only_read_is_told_what_it_lacks(
    page: Page, address: str, secrets: dict[str, str]
) -> None:
    page.goto(f"{address}/jobs")
    enter(page, secrets["read"])
    expect(page.get_by_role("heading", name="Trainings")).to_be_visible()
    page.goto(address)
    page.get_by_role("button", name="Train on the two moons").click()
    expect(page.locator("#trouble")).to_contain_text("the key has the scope read, and this asks for write")
    expect(page.locator("#trouble")).to_contain_text("gradhouse keys create --scope write")


def test_a_key_can_be_forgotten(page: Page, address: str, secrets: dict[str, str]) -> None:
    page.goto(f"{address}/system")
    enter(page, secrets["read"])
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_running_job_is_followed_with_a_key(page: Page, address: str, secrets: dict[str, str]) -> None:
    streams: list[int] = []
    page.on("response", lambda answer: streams.append(answer.status) if "/events" in answer.url else None)
    page.goto(address)
    enter(page, secrets["write"])
    job = page.evaluate(LONG_JOB)
    page.goto(f"{address}/jobs/{job}")
    expect(page.locator("#status")).to_contain_text("running", timeout=30_000)
    first = re.search(r"epoch (\d+)", page.locator("#now").inner_text())
    expect(page.locator("#now")).not_to_contain_text(
        f"epoch {first[1]} of" if first else "none", timeout=30_000
    )
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status")).to_contain_text("canceled", timeout=30_000)
    expect(page.locator("#age")).to_have_text("complete")
    assert streams
    assert set(streams) == {200}


LONG_JOB = """async () => {
  const { ask } = await import('/static/parts/page.js');
  const dataset = await ask('/datasets', { body: { sample: 'moons' } });
  const training = { epochs: 1000000, batch_size: 1, early_stopping: null };
  return (await ask('/jobs', { body: { dataset_id: dataset.id, target: 'y', training } })).id;
}"""
