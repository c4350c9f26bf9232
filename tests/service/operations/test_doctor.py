"""The doctor finds what is wrong, and says how to mend it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from service.operations import doctor
from service.operations.doctor import Finding
from service.presence import Presence
from service.settings import Settings
from service.storage import FolderStorage
from service.tables.base import Database
from service.tables.schema import upgrade
from service.up import BROKER_SOCKET
from tests.servers import ValkeyServer


def levels(found: list[Finding]) -> dict[str, str]:
    """The worst level of each thing that was looked at."""
    order = ["ok", "warning", "wrong"]
    worst: dict[str, str] = {}
    for each in found:
        worst[each.what] = max(each.level, worst.get(each.what, "ok"), key=order.index)
    return worst


@pytest.fixture
def presence(settings: Settings) -> Iterator[Presence]:
    opened = Presence(settings)
    yield opened
    opened.close()


def test_a_house_in_order_is_told_as_such(settings: Settings, presence: Presence) -> None:
    FolderStorage(settings.datasets_dir)
    settings.data_dir.chmod(0o700)
    presence.announce("here/1:7:", 30, {"version": "0.0"})
    found = doctor.run(settings)
    wrong = {each.what for each in found if each.level == "wrong"}
    assert not wrong, "\n".join(map(str, found))
    told = levels(found)
    for what in (
        "settings",
        "versions",
        "data directory",
        "database",
        "migrations",
        "broker",
        "broker clock",
    ):
        assert told[what] == "ok", what
    assert told["workers"] == "warning"  # of another version
    assert told["compiler"] in {"ok", "warning"}
    assert all(each.remedy for each in found if each.level != "ok")


def test_what_is_away_is_named_with_its_remedy(settings: Settings, tmp_path: Path) -> None:
    away = replace(
        settings,
        database_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing",
        broker_url="redis://127.0.0.1:1/0",
        data_dir=tmp_path / "nowhere",
    )
    found = doctor.run(away)
    told = levels(found)
    assert (told["database"], told["broker"], told["data directory"]) == ("wrong", "wrong", "warning")
    remedies = {each.what: each.remedy for each in found}
    assert "GRADHOUSE_DATABASE_URL" in remedies["database"]
    assert "GRADHOUSE_BROKER_URL" in remedies["broker"]


def test_a_database_that_is_not_there_yet_is_not_made_by_looking(settings: Settings, tmp_path: Path) -> None:
    (finding,) = doctor._database(replace(settings, database_url=f"sqlite:///{tmp_path}/new.db"))
    assert (finding.level, "gradhouse up" in finding.remedy) == ("warning", True)
    assert not (tmp_path / "new.db").exists()


def test_an_empty_database_wants_an_upgrade(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    found = doctor.run(replace(settings, database_url=f"sqlite:///{tmp_path}/empty.db"))
    (finding,) = (each for each in found if each.what == "migrations")
    assert (finding.level, finding.remedy) == ("wrong", "gradhouse db upgrade")


def test_a_damaged_database_file_is_found(settings: Settings, sqlite_url: str) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    content = bytearray(file.read_bytes())
    content[8192:16384] = b"\x5a" * 8192
    file.write_bytes(content)
    found = doctor.run(replace(settings, database_url=sqlite_url))
    assert "wrong" in {levels(found).get("database file"), levels(found)["database"]}


def test_a_database_that_is_newer_than_the_code_is_told(settings: Settings, tmp_path: Path) -> None:
    later = replace(settings, database_url=f"sqlite:///{tmp_path}/later.db")
    database = Database(later.database)
    upgrade(database)
    with database.session() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    (finding,) = (each for each in doctor._database(later) if each.what == "migrations")
    assert (finding.level, "9999" in finding.fact) == ("warning", True)
    assert "rolling upgrade" in finding.remedy


def test_a_database_that_is_away_is_not_said_to_answer(settings: Settings) -> None:
    away = replace(settings, database_url="postgresql://me@127.0.0.1:1/gradhouse")
    (finding,) = doctor._database(away)
    assert (finding.level, "GRADHOUSE_DATABASE_URL" in finding.remedy) == ("wrong", True)


def test_a_file_that_is_no_database_wants_a_backup(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "noise.db").write_text("no database " * 1000)
    (finding,) = doctor._database(replace(settings, database_url=f"sqlite:///{tmp_path}/noise.db"))
    assert (finding.level, "restore a backup" in finding.remedy) == ("wrong", True)


def test_a_full_disk_wants_room_before_a_backup_is_restored(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "TOO_LITTLE_SPACE", 2**60)
    (tmp_path / "noise.db").write_text("no database " * 1000)
    (finding,) = doctor._database(replace(settings, database_url=f"sqlite:///{tmp_path}/noise.db"))
    assert "make room" in finding.remedy
    assert "backup" not in finding.remedy


def test_a_misspelt_setting_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADHOUSE_LOG_LEVL", "DEBUG")
    (finding,) = (each for each in doctor.run(settings) if each.what == "settings")
    assert finding.level == "wrong"
    assert finding.remedy == "did you mean GRADHOUSE_LOG_LEVEL?"


def test_variables_of_other_parts_are_no_misspelt_settings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in doctor.OTHER_VARIABLES:
        monkeypatch.setenv(name, "off")
    assert levels(doctor.run(settings))["settings"] == "ok"


def test_a_cache_of_code_that_others_may_write_is_found(tmp_path: Path) -> None:
    cache = tmp_path / "code"
    cache.mkdir()
    cache.chmod(0o777)
    environment = {**os.environ, doctor.CODE_CACHE: str(cache), "GRADHOUSE_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "-m", "service.cli", "doctor", "--json"]  # a process that has compiled nothing
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    (finding,) = (each for each in json.loads(told.stdout) if each["what"] == "object cache")
    assert (finding["level"], str(cache) in finding["fact"]) == ("warning", True)
    assert doctor.CODE_CACHE in finding["remedy"]


def test_folders_that_are_open_to_others_are_found(settings: Settings) -> None:
    settings.data_dir.mkdir()
    settings.data_dir.chmod(0o755)
    (finding,) = (each for each in doctor.run(settings) if each.what == "data directory")
    assert (finding.level, finding.remedy) == ("warning", f"chmod go= {settings.data_dir}")


def test_a_broker_that_forgets_is_found(settings: Settings, fragile_valkey: ValkeyServer) -> None:
    fragile_valkey.client.config_set("maxmemory-policy", "allkeys-lru")
    found = doctor.run(replace(settings, broker_url=fragile_valkey.url))
    assert any("noeviction" in each.remedy for each in found if each.what == "broker")


def test_the_broker_of_up_is_found_in_its_data_directory(
    settings: Settings, fragile_valkey: ValkeyServer
) -> None:
    settings.data_dir.mkdir(mode=0o700)
    (settings.data_dir / BROKER_SOCKET).symlink_to(fragile_valkey.folder / "broker.sock")
    up = replace(settings, broker_url="")
    told = {each.what: each.fact for each in doctor._broker(up)}
    assert "answers" in told["broker"]
    assert "none is there" in told["workers"]
    fragile_valkey.kill()
    (finding,) = doctor._broker(up)
    assert (finding.level, "none is set" in finding.fact) == ("ok", True)


def test_clocks_that_differ_are_found() -> None:
    finding = doctor._clock("database clock", lambda: 0.0)
    assert finding.level == "warning"
    assert "time server" in finding.remedy


def test_a_bucket_that_does_not_answer_is_found(settings: Settings) -> None:
    nowhere = replace(
        settings,
        s3_bucket="gradhouse",
        s3_endpoint="http://127.0.0.1:1",
        s3_access_key_id="me",
        s3_secret_access_key="secret",
    )
    (finding,) = (each for each in doctor.run(nowhere) if each.what == "bucket")
    assert finding.level == "wrong"
    assert "GRADHOUSE_S3_" in finding.remedy


def test_a_bucket_that_answers_is_told(bucket_settings: Settings) -> None:
    assert levels(doctor.run(bucket_settings))["bucket"] == "ok"
