"""What the watchers' tests share."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from service.api.parts import Parts
from service.app import create_app
from service.settings import Settings


def parts_of(app: Flask) -> Parts:
    """The parts of an application."""
    parts: Parts = app.extensions["gradhouse"]
    return parts


@pytest.fixture
def lonely(settings: Settings) -> Iterator[Flask]:
    """The application without database and broker."""
    away = replace(
        settings,
        database_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing",
        broker_url="redis://127.0.0.1:1/0",
    )
    made = create_app(away)
    yield made
    parts_of(made).database.close()
    parts_of(made).broker.close()
