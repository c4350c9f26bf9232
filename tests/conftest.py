"""Fixtures for every test: real databases of both kinds, a real broker, settings that point at them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from service.settings import Settings
from service.tables.base import Database
from service.tables.schema import METADATA, upgrade
from tests.servers import PostgresServer, ValkeyServer
from tests.training import Workshop

hypothesis.settings.register_profile("house", deadline=None)  # a busy machine is no error
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole session; tests take turns."""
    server = PostgresServer()
    server.execute("CREATE DATABASE migrated")
    database = Database(server.url("migrated"), pool_size=1)
    upgrade(database)
    database.close()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of the test's own."""
    shutil.copy(migrated_sqlite, tmp_path / "gradhouse.db")
    return f"sqlite:///{tmp_path / 'gradhouse.db'}"


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """A migrated PostgreSQL database with nothing in it: emptied, which is quicker than a new one."""
    tables = reversed(METADATA.sorted_tables)
    postgres.execute("; ".join(f"DELETE FROM {table.name}" for table in tables), database="migrated")
    return postgres.url("migrated")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of the test's own: the test runs on both kinds."""
    kind = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(kind)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open, migrated database; the test runs on both kinds."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[ValkeyServer]:
    """One broker for all tests that do it no harm."""
    server = ValkeyServer()
    yield server
    server.stop()


@pytest.fixture
def valkey(shared_valkey: ValkeyServer) -> ValkeyServer:
    """An empty broker that must be left alive."""
    shared_valkey.client.flushall()
    return shared_valkey


@pytest.fixture
def fragile_valkey() -> Iterator[ValkeyServer]:
    """A broker of the test's own, to be killed and frozen."""
    server = ValkeyServer()
    yield server
    server.stop()


@pytest.fixture
def settings(database_url: str, valkey: ValkeyServer, tmp_path: Path) -> Settings:
    """Settings that point at a database, a broker and a folder of the test's own; short times."""
    return Settings(
        database_url=database_url,
        broker_url=valkey.url,
        data_dir=tmp_path / "data",
        lease_seconds=2.0,
        sweep_seconds=0.2,
        grace_seconds=0.5,
        log_level="WARNING",
    )


@pytest.fixture
def workshop(settings: Settings, database: Database) -> Workshop:
    """Jobs in the test's database, and what becomes of them."""
    return Workshop(settings, database)
