"""The pages for people."""

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.dashboard import pages
from service.dashboard.pages import make_pages
from service.error_kinds import KINDS

PAGES = (
    "/",
    "/jobs",
    "/jobs/job_1",
    "/models",
    "/models/moons@1",
    "/sandbox",
    "/system",
    "/problems",
    "/problems/not_found",
    "/docs",
)


SCRIPTS = sorted((Path(pages.__file__).parent / "static").rglob("*.js"))


def opening(reference: str) -> list[str] | None:
    return ["/problems"] if reference in ("job_1", "moons@1") else None


@pytest.fixture
def client() -> FlaskClient:
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(make_pages(KINDS, "/openapi.json", of_job=opening, of_model=opening))
    return app.test_client()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_needs_nothing_from_elsewhere(client: FlaskClient, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    for address in re.findall(r'(?:src|href|data-url)="([^"]*)"', answer.text):
        assert address.startswith("/") or address in ("#content", "?")
    assert not re.search(r'<script(?! (?:type="module" )?src=)|<style|style=|onclick', answer.text)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_loads_is_there(client: FlaskClient, page: str) -> None:
    text = client.get(page).text
    loaded = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]*)"', text)
    assert loaded
    for address in loaded:
        asset = client.get(address)
        assert asset.status_code == 200
        asset.close()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_read_in_one_sitting(script: Path) -> None:
    lines = script.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 250
    assert [line for line in lines if len(line) > 120] == []


def test_home_shows_the_first_lines_with_this_services_address(client: FlaskClient) -> None:
    text = client.get("/", headers={"Host": "127.0.0.1:8137"}).text
    assert "curl -s http://127.0.0.1:8137/api/v1/datasets" in text
    assert 'href="/docs"' in text


def test_pages_say_both_themes_and_one_language(client: FlaskClient) -> None:
    text = client.get("/").text
    assert '<html lang="en">' in text
    assert 'content="light dark"' in text


def test_a_page_of_nothing_is_not_found(client: FlaskClient) -> None:
    assert client.get("/jobs/job_2").status_code == 404
    assert client.get("/models/moons").status_code == 404


def test_an_error_without_a_page_is_not_found(client: FlaskClient) -> None:
    assert client.get("/problems/nothing").status_code == 404
    assert client.get("/docs/swagger-ui.js.map").status_code == 404
