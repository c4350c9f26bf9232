"""What pages ask before they are shown."""

import html
import re
from typing import Any

from flask.testing import FlaskClient


def test_a_page_is_there_for_what_is_there(client: FlaskClient, trained: dict[str, Any]) -> None:
    for path in (
        f"/jobs/{trained['id']}",
        f"/models/{trained['model_id']}",
        "/models/moons@1",
        "/models/moons",
    ):
        assert client.get(path).status_code == 200
    for path in ("/jobs/job_none", f"/jobs/{trained['model_id']}", "/models/moons@2", "/models/none"):
        assert client.get(path).status_code == 404


def test_a_page_sends_its_scripts_first_requests_ahead(client: FlaskClient, trained: dict[str, Any]) -> None:
    for path in (f"/jobs/{trained['id']}", "/models/moons@1"):
        ahead = re.findall(r'rel="preload" as="fetch" [^>]*href="([^"]*)"', client.get(path).text)
        assert len(ahead) >= 3
        assert [client.get(html.unescape(address)).status_code for address in ahead] == [200] * len(ahead)


def test_of_a_deleted_dataset_nothing_is_asked(client: FlaskClient, trained: dict[str, Any]) -> None:
    assert client.delete(f"/api/v1/datasets/{trained['dataset_id']}").status_code == 204
    assert "/api/v1/datasets" not in client.get(f"/jobs/{trained['id']}").text
