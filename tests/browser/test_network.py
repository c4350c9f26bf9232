"""The network in JavaScript against the server's, number by number."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from engine.nn.activations import ACTIVATIONS
from tests.browser.conftest import train, train_on

pytestmark = pytest.mark.system

OpenPage = Callable[..., Page]

SURFACE = """async ([path, count, x, y]) => {
  const { Network, flatten } = await import('/static/parts/network.js');
  const get = async where => (await fetch('/api/v1' + path + where)).json();
  const network = new Network(await get('/network')), weights = flatten((await get('/parameters')).layers);
  return network.answers(weights, [x, y], count, {}).map(output => [...output]);
}"""
REPLAY = """async ([job, epoch, count, x, y]) => {
  const { Network, unpackCheckpoints } = await import('/static/parts/network.js');
  const network = new Network(await (await fetch(`/api/v1/jobs/${job}/network`)).json());
  const packed = await (await fetch(`/api/v1/jobs/${job}/checkpoints?format=float64`)).arrayBuffer();
  const at = unpackCheckpoints(packed).find(each => each.epoch === epoch);
  return [...network.answers(at.parameters, [x, y], count, {})[0]];
}"""
WINDOW = [{"name": "x1", "low": -1.5, "high": 2.5}, {"name": "x2", "low": -1.0, "high": 1.5}]
QUERY = "x_min=-1.5&x_max=2.5&y_min=-1&y_max=1.5&resolution=25"


def server_surface(service: str, model: str, query: str) -> list[list[float]]:
    answer = httpx.get(f"{service}/api/v1/models/{model}/surface?{query}").json()
    return [[score for row in output for score in row] for output in answer["scores"]]


@pytest.mark.parametrize("activation", ACTIVATIONS.names())
def test_surfaces_are_the_servers(open_page: OpenPage, service: str, activation: str) -> None:
    layers = [{"units": 8, "activation": activation}, {"units": 5, "activation": activation}]
    model = train(service, "moons", layers)["model_id"]
    found = open_page("/").evaluate(SURFACE, [f"/models/{model}", 25, *WINDOW])
    expected = server_surface(service, model, QUERY)
    largest = max(abs(score) for score in expected[0])
    assert found[0] == pytest.approx(expected[0], rel=1e-12, abs=1e-12 * max(1.0, largest))


@pytest.mark.parametrize("sample", ["iris", "diabetes"])
def test_so_are_those_of_more_classes_and_of_numbers(open_page: OpenPage, service: str, sample: str) -> None:
    model = train(service, sample, [{"units": 6, "activation": "tanh"}])["model_id"]
    answer = httpx.get(f"{service}/api/v1/models/{model}/surface?resolution=12").json()
    axes = [
        {"name": each["name"], "low": each["min"], "high": each["max"]} for each in (answer["x"], answer["y"])
    ]
    found = open_page("/").evaluate(SURFACE, [f"/models/{model}", 12, *axes])
    for ours, theirs in zip(found, answer["scores"], strict=True):
        flat = [score for row in theirs for score in row]
        assert ours == pytest.approx(flat, rel=1e-12, abs=1e-12)


def test_so_are_those_over_categories_flags_and_gaps(open_page: OpenPage, service: str) -> None:
    columns = ["long", "wide", "colour", "ripe", "kind"]
    rows = [
        [None if i % 11 == 0 else i / 10, (i * 7) % 13, "rgb"[i % 3], i % 2 == 0, "ab"[(i * i) % 5 > 1]]
        for i in range(90)
    ]
    preprocessing = {"missing_indicator": True}
    model = train_on(service, {"columns": columns, "rows": rows}, [6], preprocessing=preprocessing)[
        "model_id"
    ]
    answer = httpx.get(f"{service}/api/v1/models/{model}/surface?x=wide&y=long&resolution=12").json()
    axes = [
        {"name": each["name"], "low": each["min"], "high": each["max"]} for each in (answer["x"], answer["y"])
    ]
    found = open_page("/").evaluate(SURFACE, [f"/models/{model}", 12, *axes])
    flat = [score for row in answer["scores"][0] for score in row]
    assert found[0] == pytest.approx(flat, rel=1e-12, abs=1e-12)


def test_the_replay_ends_at_the_model(open_page: OpenPage, service: str, job: dict[str, Any]) -> None:
    found = open_page("/").evaluate(REPLAY, [job["id"], 150, 25, *WINDOW])
    expected = server_surface(service, job["model_id"], QUERY)[0]
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
