"""The schema as a whole: what is current, and who says so."""

from pathlib import Path

from sqlalchemy import text

from service.tables import HEAD, is_current_file, schema
from service.tables.base import Database


def test_a_migrated_database_is_current(database: Database) -> None:
    assert schema.revision(database) == HEAD
    schema.require_current(database)


def test_a_file_is_current_only_at_the_newest_revision(sqlite_url: str, tmp_path: Path) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    assert is_current_file(path)
    assert not is_current_file(tmp_path / "missing.db")
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked into" * 10)
    assert not is_current_file(tmp_path / "text.db")
    database = Database(sqlite_url)
    with database.session() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    database.close()
    assert not is_current_file(path)


def test_the_migrations_lie_beside_the_packages_of_a_checkout() -> None:
    assert (schema.migrations_folder() / "env.py").is_file()
