"""What the page of a job says while it goes on: of a worker that is silent, and of a wish to stop."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import running_service

pytestmark = pytest.mark.system

PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """A service that gives no job away, however silent its worker is."""
    with running_service(folder, GRADHOUSE_LEASE_SECONDS="600") as found:
        yield found


@pytest.fixture
def job(address: str) -> Iterator[str]:
    """A job of many epochs; it is canceled in the end."""
    with httpx.Client(base_url=f"{address}/api/v1", timeout=30) as client:
        dataset = client.post("/datasets", json={"sample": "moons"}).raise_for_status().json()
        training = {"epochs": 1_000_000, "batch_size": 1, "early_stopping": None}
        body = {"dataset_id": dataset["id"], "target": "y", "training": training}
        found: str = client.post("/jobs", json=body).raise_for_status().json()["id"]
        yield found
        client.post(f"/jobs/{found}/cancel")


@pytest.fixture
def page(browser: Browser, address: str, job: str) -> Iterator[Page]:
    """The job's page, which says that it runs."""
    shown = browser.new_page()
    shown.goto(f"{address}/jobs/{job}")
    expect(shown.locator("#status")).to_contain_text("running", timeout=PATIENCE)
    yield shown
    shown.close()


@pytest.fixture
def signal_worker(folder: Path) -> Iterator[Callable[[signal.Signals], None]]:
    """Sends a signal to every process of the service's worker; they all go on after the test."""

    def send(number: signal.Signals) -> None:
        found = [int(each.name) for each in Path("/proc").glob("[0-9]*") if belongs(each, folder)]
        assert found
        for process in found:
            os.kill(process, number)

    yield send
    send(signal.SIGCONT)


def belongs(process: Path, folder: Path) -> bool:
    """Says whether this is one of the processes of a worker whose data lie in the folder."""
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        return b"worker" in words and os.fsencode(folder) in (process / "environ").read_bytes()
    except OSError:  # it has ended, or is another user's
        return False


def stop_between_writes(address: str, signal_worker: Callable[[signal.Signals], None]) -> None:
    """Stops the worker at a moment when it does not hold the lock of SQLite, which would stop the API too."""
    for _ in range(20):
        signal_worker(signal.SIGSTOP)
        with suppress(httpx.TimeoutException):
            httpx.post(f"{address}/api/v1/datasets", json={"sample": "xor"}, timeout=3).raise_for_status()
            return
        signal_worker(signal.SIGCONT)
    pytest.fail("the worker seems to write without a pause")


def test_a_silent_worker_is_told_of_and_forgotten_when_it_is_back(
    page: Page, signal_worker: Callable[[signal.Signals], None]
) -> None:
    expect(page.locator("#advice")).to_be_empty()
    signal_worker(signal.SIGSTOP)
    expect(page.locator("#advice")).to_contain_text("Its worker was last heard of", timeout=PATIENCE)
    expect(page.locator("#advice")).to_contain_text("another goes on from the last checkpoint")
    signal_worker(signal.SIGCONT)
    expect(page.locator("#advice")).to_be_empty(timeout=PATIENCE)


def test_a_wish_to_stop_shows_at_once_and_the_model_is_kept(
    page: Page, address: str, signal_worker: Callable[[signal.Signals], None]
) -> None:
    stop_between_writes(address, signal_worker)  # so that the wish is seen before it is fulfilled
    page.get_by_role("button", name="Stop and keep the model").click()
    expect(page.locator("#status")).to_contain_text("stopping: the model is kept", timeout=PATIENCE)
    expect(page.get_by_role("button", name="Stop and keep the model")).to_be_hidden()
    signal_worker(signal.SIGCONT)
    expect(page.locator("#status")).to_have_text("succeeded", timeout=PATIENCE)
    expect(page.locator("#now")).to_contain_text("ended before 1000000")
