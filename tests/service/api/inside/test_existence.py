"""What pages ask before they are shown."""

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
