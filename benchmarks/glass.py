"""What the glass costs, over HTTP and in a real browser: `./dev bench glass`.

Needs chromium (Debian: apt install chromium), which renders in software here: frames a second are this
machine's, the milliseconds of script a frame are the page's own. While predictions are timed no browser runs:
a light client asks what its pages asked (benchmarks/crowd.py).
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
import httpx
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.crowd import Traffic, record, replayed
from benchmarks.house import House, open_house
from benchmarks.jobs import section, told
from tests.servers import eventually

TANH = {"units": 16, "activation": "tanh"}
LONG = {"epochs": 1_000_000, "batch_size": 1, "early_stopping": None, "max_seconds": 3_600}
ROW = {"x1": 0.5, "x2": -0.2}
LOADS = 25
FRAMES = 240
CROWD_TURNS = 3
MANY_ROWS = 20_000  # an epoch of them, row by row, takes so long that the job outlasts all timing
DRAWN = "() => performance.getEntriesByName('drawn')[0]?.startTime ?? null"
LOADED = """drawn => performance.getEntries().filter(e => e.transferSize && e.responseEnd <= drawn)
  .reduce((sum, e) => sum + e.transferSize, 0)"""
ALL_LOADED = "() => performance.getEntries().reduce((sum, e) => sum + (e.transferSize ?? 0), 0)"
SCRUB = """async frames => {
  const cursor = document.getElementById('cursor'), count = Number(cursor.max), times = [];
  for (let i = 0; i <= frames; i++) {
    times.push(await new Promise(requestAnimationFrame));
    cursor.value = i % count;
    cursor.dispatchEvent(new Event('input'));
  }
  const gaps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
  return {per_second: 1000 * frames / (times.at(-1) - times[0]), p95: gaps[Math.floor(0.95 * frames)]};
}"""


def train(house: House, dataset: str, layers: list[Any], **training: Any) -> dict[str, Any]:
    """A job on the moons: as it is when done, or at once where it is a long one."""
    body = {"dataset_id": dataset, "target": "y", "model": {"name": "moons", "hidden_layers": layers}}
    with house.client() as http:
        job: dict[str, Any] = (
            http.post("/jobs", json={**body, "training": training}).raise_for_status().json()
        )
        while not job["done"] and training != LONG:
            time.sleep(0.02)
            job = http.get(f"/jobs/{job['id']}").json()
        return job


def timed(http: httpx.Client, path: str, body: Any, count: int) -> list[float]:
    """Seconds of one POST after the other."""
    content, took = json.dumps(body), []
    for _ in range(count):
        started = time.perf_counter()
        http.post(path, content=content, headers={"Content-Type": "application/json"}).raise_for_status()
        took.append(time.perf_counter() - started)
    return took[1:]


def measure_graphs(house: House, model: str) -> None:
    """The graph of the seed's network, and derivatives of many rows beside their predictions."""
    rows = np.random.default_rng(1).normal(size=(10_000, 2)).tolist()
    path = f"/models/{model}"
    with (
        section("Graphs of a 2-16-16-1 network (goals: JSON 50 ms, SVG 500 ms), 10,000 rows"),
        house.client() as http,
    ):
        for form in ("json", "dot", "svg"):
            body = {"instance": ROW, "level": "scalar", "format": form}
            click.echo(told(f"scalar graph as {form}", timed(http, f"{path}/graph", body, 12)))
        click.echo(told("trace", timed(http, f"{path}/trace", {"instance": ROW}, 12)))
        predictions = timed(http, f"{path}/predictions", {"instances": rows}, 12)
        gradients = timed(http, f"{path}/gradients", {"instances": rows}, 12)
        click.echo(told("predictions of 10,000 rows", predictions))
        click.echo(told("their gradients (goal: 3x)", gradients))
        click.echo(
            f"  gradients / predictions {statistics.median(gradients) / statistics.median(predictions):.2f}"
        )


@contextmanager
def open_browser(*, humble: bool = False) -> Iterator[Browser]:
    """A headless Chromium; a humble one takes what others leave of the processor."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise click.ClickException(
            "chromium is missing: install it (on Debian and Ubuntu: apt install chromium)"
        )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        if humble:
            wrapper = Path(folder) / "browser"
            wrapper.write_text(f'#!/bin/sh\nexec nice -n 19 {program} "$@"\n')
            wrapper.chmod(0o755)
            program = str(wrapper)
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def watch(browser: Browser, house: House, job: str) -> Page:
    """The Watch page of a job in a window with an empty cache, drawn."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"http://127.0.0.1:{house.settings.port}/jobs/{job}")
    eventually(lambda: page.evaluate(DRAWN), seconds=60, what="the page is drawn")
    return page


def measure_loading(browser: Browser, house: House, job: str) -> None:
    """Bytes and time of a first load."""
    with section("Watch, first load (goals: 150 kB, drawn in 300 ms)"):
        drawn, loaded, whole = [], 0, 0
        for _ in range(LOADS):
            page = watch(browser, house, job)
            drawn.append(float(page.evaluate(DRAWN)) / 1e3)
            loaded = page.evaluate(LOADED, drawn[-1] * 1e3)
            page.wait_for_load_state("networkidle")
            whole = page.evaluate(ALL_LOADED)
            page.context.close()
        click.echo(told("drawn after", drawn))
        click.echo(f"  {loaded / 1e3:.0f} kB until then, {whole / 1e3:.0f} kB with the whole replay")


def measure_scrubbing(browser: Browser, house: House, job: str, name: str) -> None:
    """Frames while the cursor moves at every one of them, and what each costs the page."""
    page = watch(browser, house, job)
    page.wait_for_load_state("networkidle")
    protocol = page.context.new_cdp_session(page)
    protocol.send("Performance.enable")
    for words in ("the first time", "again"):
        before, frames = _spent(protocol), page.evaluate(SCRUB, FRAMES)
        spent = {key: 1e3 * (value - before[key]) / FRAMES for key, value in _spent(protocol).items()}
        own = spent["ScriptDuration"] + spent["LayoutDuration"] + spent["RecalcStyleDuration"]
        click.echo(
            f"  {name}, {words}: {frames['per_second']:.0f} frames/s, 95 % within {frames['p95']:.1f} ms; "
            f"a frame costs {spent['ScriptDuration']:.1f} ms of script, {own:.1f} with style and layout, "
            f"{spent['TaskDuration']:.1f} with painting"
        )
    page.context.close()


def _spent(protocol: Any) -> dict[str, float]:
    """Seconds that the page's thread has spent, by kind."""
    found = {each["name"]: each["value"] for each in protocol.send("Performance.getMetrics")["metrics"]}
    kinds = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration")
    return {kind: found[kind] for kind in kinds}


def record_crowd(house: House, job: str, pages: int, seconds: int) -> Traffic:
    """What so many Watch pages of a job ask for, once they have found their pace."""
    with open_browser(humble=True) as browser:
        return record([watch(browser, house, job) for _ in range(pages)], seconds)


def measure_crowd(house: House, model: str, traffic: Traffic, seconds: int) -> None:
    """Predictions while a job trains, by turns with nobody watching and with many pages that do."""
    for watching in (0, len(traffic.pages)) * CROWD_TURNS:
        took: list[float] = []
        crowd = replayed(traffic, house.settings.port) if watching else nullcontext()
        with crowd, house.client() as http:
            time.sleep(2)  # its streams are open
            started = time.perf_counter()
            while time.perf_counter() - started < seconds:
                took += timed(http, f"/models/{model}/predictions", {"instances": [ROW]}, 20)
                time.sleep(0.02)
        click.echo(told(f"{watching} watching", took))
    click.echo(f"  the pages ask {traffic.rate:.0f} times a second, and hold {len(traffic.streams)} streams")


PARTS = ("graphs", "loading", "scrubbing", "crowd")


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Some parts; all by default.")
@click.option("--pages", default=40, show_default=True, help="Watch pages open at once.")
@click.option("--seconds", default=15, show_default=True, help="For each timing of predictions.")
def main(only: tuple[str, ...], pages: int, seconds: int) -> None:
    """Measure graphs, gradients, the Watch page, its replay, and a crowd that watches."""
    parts = only or PARTS
    with open_house("sqlite") as house, house.part("worker"):
        dataset = house.dataset()
        job = train(house, dataset, [TANH, TANH], epochs=150, early_stopping=None)
        wide = train(house, dataset, [24, 24, 24], epochs=150, early_stopping=None)
        if "graphs" in parts:
            measure_graphs(house, job["model_id"])
        with open_browser() as browser:
            if "loading" in parts:
                measure_loading(browser, house, job["id"])
            if "scrubbing" in parts:
                with section("Scrubbing the replay, a new epoch at every frame (goals: 60 frames/s, 16 ms)"):
                    measure_scrubbing(browser, house, job["id"], "2-16-16-1")
                    measure_scrubbing(browser, house, wide["id"], "2-24-24-24-1")
        if "crowd" in parts:
            long = train(house, house.dataset(MANY_ROWS), [TANH, TANH], **LONG)
            with section(f"Predictions of one row while a job trains and {pages} pages watch it"):
                traffic = record_crowd(house, long["id"], pages, seconds)
                measure_crowd(house, job["model_id"], traffic, seconds)
                with house.client() as http:
                    status = http.get(f"/jobs/{long['id']}").json()["status"]
                if status != "running":
                    raise click.ClickException(f"the job that was to train all along is {status}")


if __name__ == "__main__":
    main()
