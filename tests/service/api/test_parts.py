"""What the endpoints share."""

from flask import Flask

from service.api.parts import Parts, missing, owner, running
from service.tables.base import LOCAL_OWNER


def test_the_parts_of_an_application_are_its_own(app: Flask) -> None:
    with app.app_context():
        assert isinstance(running(), Parts)
        assert running() is app.extensions["gradhouse"]


def test_where_no_key_is_asked_for_everything_is_the_local_owners(app: Flask) -> None:
    with app.test_request_context():
        assert owner() == LOCAL_OWNER


def test_what_is_missing_is_named_with_the_list_to_look_in() -> None:
    error = missing("dataset", "ds_1")
    assert (error.status, error.detail) == (404, "there is no dataset ds_1")
    assert "/api/v1/datasets" in error.hint
