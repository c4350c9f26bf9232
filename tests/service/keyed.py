"""A service that asks for keys, and people who have some: for the tests of who may do what."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.api.parts import Parts
from service.app import create_app
from service.scopes import Scope
from service.settings import Settings
from service.tables import keys
from service.tables.base import Database
from service.worker.bench import Bench, SharedFlag
from service.worker.work import work
from tests.servers import ValkeyServer, eventually


@dataclass(frozen=True)
class Person:
    """Somebody with a key, and the service as they meet it."""

    client: FlaskClient
    secret: str
    key_id: str

    def ask(self, method: str, address: str, **request: Any) -> TestResponse:
        """The answer to a request with the key."""
        headers = {"Authorization": f"Bearer {self.secret}", **request.pop("headers", {})}
        return self.client.open(address, method=method, headers=headers, **request)

    def made(self, address: str, body: dict[str, Any]) -> dict[str, Any]:
        """What a POST has made."""
        answer = self.ask("POST", address, json=body)
        assert answer.status_code in {201, 202}, answer.text
        document: dict[str, Any] = answer.get_json()
        return document


@dataclass(frozen=True)
class Keyed:
    """A service that asks for keys."""

    app: Flask
    settings: Settings
    database: Database

    def person(self, owner: str, scope: Scope = Scope.WRITE, **options: Any) -> Person:
        """Somebody with a new key."""
        with self.database.session() as db:
            key, secret = keys.add(db, owner=owner, scope=scope, most=1000, **options)
        made = Person(self.app.test_client(), secret, key.id)
        eventually(lambda: made.ask("GET", "/api/v1/options").status_code == 200, what="the key opens")
        return made

    def revoke(self, person: Person) -> None:
        """Ends somebody's key."""
        with self.database.session() as db:
            assert keys.revoke(db, person.key_id)

    def train(self) -> None:
        """Does every job that waits, as a worker does."""
        bench = Bench.open(self.settings, SharedFlag())
        while work(bench) is not None:
            pass
        bench.database.close()
        bench.broker.close()


@contextmanager
def keyed_service(folder: Path, migrated: Path, valkey: ValkeyServer, **settings: Any) -> Iterator[Keyed]:
    """A service of its own that asks for keys, in `folder`; `migrated` is a database to copy."""
    shutil.copy(migrated, folder / "gradhouse.db")
    url = f"sqlite:///{folder / 'gradhouse.db'}"
    chosen = Settings(
        database_url=url, broker_url=valkey.url, data_dir=folder / "data", require_keys=True, **settings
    )
    app, database = create_app(chosen), Database(url)
    yield Keyed(app, chosen, database)
    parts: Parts = app.extensions["gradhouse"]
    parts.database.close()
    parts.broker.close()
    database.close()
