"""`gradhouse keys`, through the front door; and a service that would stand open does not start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.access.commands import KeyRefused, MissingKeys, create, listing, require_key, revoke
from service.settings import Settings
from service.tables import keys
from service.tables.base import Database


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    """A database of the test's own."""
    return Settings(database_url=sqlite_url, data_dir=tmp_path, host="0.0.0.0", max_keys=3)


def _create(settings: Settings, owner: str = "alice", **options: str | float | None) -> str:
    return create(settings, **{"owner": owner, "scope": "write", "days": None, "note": None, **options})  # type: ignore[arg-type]


def test_a_secret_is_long_random_recognisable_and_not_stored(settings: Settings, tmp_path: Path) -> None:
    first, second = _create(settings), _create(settings)
    assert first != second
    prefix, _, digits = first.partition("_")
    assert (prefix, len(bytes.fromhex(digits)) * 8) == ("gradhouse", 256)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("gradhouse.db*"))
    assert digits.encode() not in stored
    assert keys.digest_of(first).encode() in stored


def test_the_list_tells_all_but_the_secret(settings: Settings) -> None:
    secret = _create(settings, "alice@example.org", scope="admin", days=0.5, note="for the lab")
    text = listing(settings)
    head, line = text.splitlines()
    assert head.split()[:3] == ["id", "owner", "scope"]
    assert line.split()[1:3] == ["alice@example.org", "admin"]
    assert line.split()[-4:] == ["live", "for", "the", "lab"]
    assert secret not in text
    key_id = line.split()[0]
    revoke(settings, key_id=key_id)
    revoke(settings, key_id=key_id)
    assert "revoked" in listing(settings)
    with pytest.raises(KeyRefused, match="there is no key 'key_nothing'"):
        revoke(settings, key_id="key_nothing")


@pytest.mark.parametrize("owner", ["", "a b", "-a", "a\n", "ä", "a" * 101, "../a", "a/b", "<b>"])
def test_an_owners_name_is_plain(settings: Settings, owner: str) -> None:
    with pytest.raises(KeyRefused, match="an owner's name must be"):
        _create(settings, owner)


def test_keys_are_bounded_and_the_bound_counts_live_ones(settings: Settings) -> None:
    for _ in range(3):
        _create(settings)
    with pytest.raises(KeyRefused, match="3 keys are live, and max_keys allows 3: Revoke"):
        _create(settings)
    revoke(settings, key_id=listing(settings).splitlines()[1].split()[0])
    _create(settings)


def test_a_note_is_a_line(settings: Settings) -> None:
    with pytest.raises(KeyRefused, match="a note must be"):
        _create(settings, note="two\nlines")


def test_without_a_key_that_opens_only_loopback_starts(settings: Settings) -> None:
    with pytest.raises(MissingKeys, match=r"0\.0\.0\.0 is no loopback address.*`gradhouse keys create"):
        require_key(settings)
    _create(settings)
    require_key(settings)
    revoke(settings, key_id=listing(settings).splitlines()[1].split()[0])
    with pytest.raises(MissingKeys):
        require_key(settings)
    require_key(Settings(database_url=settings.database_url, host="127.0.0.1"))
    with pytest.raises(MissingKeys, match="keys are required"):
        require_key(Settings(database_url=settings.database_url, require_keys=True))


def test_the_schemas_bound_holds_an_expired_key_for_none(settings: Settings) -> None:
    _create(settings, days=1e-9)
    with pytest.raises(MissingKeys):
        require_key(settings)
    assert "expired" in listing(settings)


def _gradhouse(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "service.cli", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **variables}, check=False
    )


@pytest.mark.system
def test_an_open_address_without_keys_refuses_to_start_and_says_how(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path))
    refused = _gradhouse("up", "--host", "0.0.0.0", *where)
    assert refused.returncode == 1
    assert "make one with `gradhouse keys create --owner NAME --scope admin`" in refused.stderr
    assert "Traceback" not in refused.stderr
    refused = _gradhouse("api", "--host", "0.0.0.0", *where)
    assert (refused.returncode, "no key that opens" in refused.stderr) == (1, True)


@pytest.mark.system
def test_the_commands_make_a_first_key_before_the_first_start(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path / "data"))
    made = _gradhouse("keys", "create", "--owner", "alice", "--scope", "admin", *where)
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    assert secret.startswith("gradhouse_")
    listed = _gradhouse("keys", "list", *where).stdout
    assert secret not in listed
    key_id = listed.splitlines()[1].split()[0]
    assert _gradhouse("keys", "revoke", key_id, *where).stdout == f"revoked {key_id}\n"
    wrong = _gradhouse("keys", "create", "--owner", "a b", *where)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    Database(f"sqlite:///{tmp_path}/data/gradhouse.db").close()
