"""Options and samples over HTTP."""

from flask.testing import FlaskClient

from tests.service.api.answers import json_of


def test_options_list_every_knob_with_its_default_and_help(client: FlaskClient) -> None:
    options = json_of(client.get("/api/v1/options"))
    knobs = {knob["path"]: knob for knob in options["knobs"]}
    assert knobs["training.seed"]["default"] == 1337
    assert all(knob["help"] for knob in knobs.values())
    assert "text/csv" in options["media_types"]


def test_samples_are_listed_and_each_can_be_made(client: FlaskClient) -> None:
    page = json_of(client.get("/api/v1/samples"))
    names = [sample["name"] for sample in page["data"]]
    assert {"moons", "circles", "iris", "wine", "breast_cancer", "diabetes"} <= set(names)
    for name in ("moons", "iris", "diabetes"):
        assert client.post("/api/v1/datasets", json={"sample": name}).status_code == 201


def test_what_does_not_change_is_not_sent_again(client: FlaskClient) -> None:
    for path in ("/api/v1/options", "/api/v1/samples", "/openapi.json"):
        etag = client.get(path).headers["ETag"]
        assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
