"""The table behind a model."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from service.api.inside.training_data import table_of


def test_it_is_there_until_the_dataset_is_deleted(
    app: Flask, client: FlaskClient, trained: dict[str, Any]
) -> None:
    with app.test_request_context():
        table = table_of(trained["model_id"])
    assert table is not None
    assert (table.row_count, list(table.names)) == (100, ["x1", "x2", "y"])
    assert client.delete(f"/api/v1/datasets/{trained['dataset_id']}").status_code == 204
    with app.test_request_context():
        assert table_of(trained["model_id"]) is None
        assert table_of("mdl_none") is None
