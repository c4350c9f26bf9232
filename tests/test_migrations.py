"""The migrations: up and down on both databases, and the same schema as the code's."""

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from service.tables import HEAD, schema
from service.tables.base import Database
from tests.servers import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database without tables."""
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path}/empty.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    server.execute("DROP DATABASE IF EXISTS empty WITH (FORCE)")
    server.execute("CREATE DATABASE empty TEMPLATE template0")
    return Database(server.url("empty"))


def _tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_the_way_up_and_down_and_up_again_ends_at_the_codes_schema(empty: Database) -> None:
    schema.upgrade(empty)
    assert _tables(empty) == set(schema.METADATA.tables)
    schema.downgrade(empty, "base")
    assert _tables(empty) == set()
    schema.upgrade(empty)
    with empty.engine.begin() as connection:
        command.check(schema.alembic_config(connection))
    empty.close()


def test_an_upgrade_of_a_current_database_changes_nothing(database: Database) -> None:
    schema.upgrade(database)
    schema.require_current(database)


def test_a_database_of_another_version_is_refused_with_the_remedy(empty: Database) -> None:
    with pytest.raises(schema.OutdatedSchema, match=r"has no tables yet.*`gradhouse db upgrade`"):
        schema.require_current(empty)
    empty.close()


def test_a_database_of_the_next_version_is_taken_and_its_backup_is_not(database: Database) -> None:
    try:
        _call_revision(database, "9999")
        schema.require_current(database)
        with pytest.raises(schema.OutdatedSchema, match="use a newer version"):
            schema.require_current(database, or_newer=False)
        _call_revision(database, "0001")
        with pytest.raises(schema.OutdatedSchema, match="gradhouse db upgrade"):
            schema.require_current(database)
    finally:
        _call_revision(database, HEAD)


def _call_revision(database: Database, name: str) -> None:
    with database.session() as db:
        db.execute(text("UPDATE alembic_version SET version_num = :name"), {"name": name})


def test_migrations_only_add_to_what_running_code_uses(empty: Database) -> None:
    """Rolling upgrades: the last version reads and writes its own columns, and knows no others."""
    schema.upgrade(empty, ROLLING_SINCE)
    before = _columns(empty)
    schema.upgrade(empty)
    after = _columns(empty)
    for table, columns in before.items():
        kept = {name: after[table][name]["type"] for name in columns if name in after[table]}
        assert {name: str(kind) for name, kind in kept.items()} == {
            name: str(column["type"]) for name, column in columns.items()
        }, table
        added = [column for name, column in after[table].items() if name not in columns]
        assert all(column["nullable"] or column["default"] is not None for column in added), table
    empty.close()


ROLLING_SINCE = "0007"  # the first revision whose code may run on newer databases


def _columns(database: Database) -> dict[str, dict[str, Any]]:
    inspector = inspect(database.engine)
    return {
        table: {column["name"]: column for column in inspector.get_columns(table)}
        for table in inspector.get_table_names()
    }


def test_the_code_knows_the_newest_revision() -> None:
    scripts = ScriptDirectory(str(schema.migrations_folder()))
    assert scripts.get_heads() == [HEAD]


def test_models_keep_their_parameters_on_the_way_up_and_down(empty: Database) -> None:
    model = (
        "INSERT INTO models (id, owner, version, job_id, dataset_id, dataset_sha256, sha256, parameter_count,"
        " spec, metrics, inputs, created_at)"
        " VALUES ('mdl_1', 'local', 1, 'job_1', 'ds_1', '', '', 1, '{}', '{}', '[]', 0)"
    )
    schema.upgrade(empty, "0001")
    with empty.session() as db:
        db.execute(text(model))
        db.execute(text("INSERT INTO model_parameters (model_id, data) VALUES ('mdl_1', 'bytes')"))
    for move, to in ((schema.upgrade, "head"), (schema.downgrade, "0001"), (schema.upgrade, "head")):
        move(empty, to)
        with empty.reading() as db:
            assert db.scalars(text("SELECT model_id FROM model_parameters")).all() == ["mdl_1"]
    empty.close()
