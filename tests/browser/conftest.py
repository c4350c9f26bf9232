"""A real service and a real browser; where no browser can be had, the tests say so."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.servers import Command, eventually, free_port

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = "NO BROWSER: install chromium (apt-get install chromium) or name one in GRADHOUSE_TEST_BROWSER"


@contextmanager
def running_service(folder: Path, **environment: str) -> Iterator[str]:
    """`gradhouse up` in a folder of its own: its address."""
    port = free_port()
    words = ("up", "--data-dir", str(folder / "data"), "--port", str(port))
    command = Command(
        *words, environment={"GRADHOUSE_LOG_LEVEL": "WARNING", **environment}, log=folder / "up.log"
    )
    address = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        try:
            return httpx.get(f"{address}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually(is_ready, seconds=60, what="the service is ready")
        yield address
    finally:
        command.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that asks for no key: its address."""
    with running_service(tmp_path_factory.mktemp("browser")) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    named = os.environ.get("GRADHOUSE_TEST_BROWSER")
    program = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complains of: errors of scripts, refused policies, files that are not there."""
    return []


@pytest.fixture
def open_page(
    browser: Browser, service: str, complaints: list[str], tmp_path: Path
) -> Iterator[Callable[..., Page]]:
    """Opens pages of the service in windows of their own; nothing may be complained of."""
    opened: list[Page] = []

    def open_one(path: str, *, complain: bool = True, **options: Any) -> Page:
        page = browser.new_page(**options)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if complain:  # the browser's own words about answers of 400 and more
            page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: _from_here(request.url, service, complaints))
        page.goto(service + path)
        opened.append(page)
        return page

    yield open_one
    for number, page in enumerate(opened):
        page.screenshot(path=tmp_path / f"page-{number}.png", full_page=True)
        page.close()
    assert complaints == []


def _from_here(url: str, service: str, complaints: list[str]) -> None:
    if not url.startswith(service):
        complaints.append(f"a request to another origin: {url}")


def drawn(page: Page) -> float:
    """Waits until the page says that it is drawn; after how many milliseconds it was."""
    look = "() => performance.getEntriesByName('drawn')[0]?.startTime ?? null"
    return float(eventually(lambda: page.evaluate(look), what="the page is drawn"))


@pytest.fixture(scope="session")
def job(service: str) -> dict[str, Any]:
    """The seed's moons network, trained."""
    return train(service, "moons", [{"units": 16, "activation": "tanh"}, {"units": 16, "activation": "tanh"}])


def train(service: str, sample: str, layers: list[Any], **spec: Any) -> dict[str, Any]:
    """A job on a sample, when it is done."""
    return train_on(service, {"sample": sample}, layers, name=sample, **spec)


def train_on(
    service: str, data: dict[str, Any], layers: list[Any], name: str | None = None, **spec: Any
) -> dict[str, Any]:
    """A job on a new dataset, its last column the target, when it is done."""
    with httpx.Client(base_url=f"{service}/api/v1", timeout=30) as client:
        dataset = client.post("/datasets", json=data).raise_for_status().json()
        body = {
            "dataset_id": dataset["id"],
            "target": dataset["columns"][-1]["name"],
            "model": {"name": name or "mine", "hidden_layers": layers},
            "training": {"epochs": 150, "early_stopping": None},
        }
        posted = client.post("/jobs", json={**body, **spec}).raise_for_status().json()

        def done() -> dict[str, Any] | None:
            found: dict[str, Any] = client.get(f"/jobs/{posted['id']}").json()
            return found if found["done"] else None

        finished = eventually(done, seconds=60, what="the job is done")
        assert finished["status"] == "succeeded", finished
        return finished
