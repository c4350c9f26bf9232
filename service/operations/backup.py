"""`gradhouse backup` and `restore`: database and bytes as a folder that any gradhouse can take in again.

The rows go into a SQLite file whatever the database is, so that a backup also moves a service from SQLite to
PostgreSQL. They are those of one moment, while the service runs. The bytes are copied before that moment and
once more after it: what the rows name was there before it, or came in between.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import file_digest
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from service.settings import Settings
from service.tables import HEAD, schema
from service.tables.base import Database
from service.tables.copying import NotEmpty, copy_all

ROWS, MANIFEST = "rows.db", "manifest.json"
FOLDERS = ("datasets", "outputs")


class BackupRefused(Exception):
    """The backup or the restore cannot be done; the text says why and what to do, in one line."""


def save(settings: Settings, *, folder: Path) -> str:
    """Writes a backup into a new folder; what it holds, in a line. Raises BackupRefused."""
    if folder.exists():
        raise BackupRefused(f"{folder} exists already: a backup wants a folder of its own")
    half = folder.with_name(f".{folder.name}.half")
    with closing(Database(settings.database, pool_size=1)) as source:
        schema.require_current(source, or_newer=False)  # else columns would be left behind
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700, parents=True)
        _copy_files(settings.data_dir, half)
        counts = _copy_rows(source, half / ROWS)
    files = _copy_files(settings.data_dir, half)
    facts = {"version": version("gradhouse"), "revision": HEAD, "rows": counts, "made_at": time.time()}
    (half / MANIFEST).write_bytes(orjson.dumps({**facts, "files": files}, option=orjson.OPT_INDENT_2))
    half.rename(folder)  # who sees the folder sees all of it
    return f"{sum(counts.values())} rows and {files} files are in {folder}"


def restore(settings: Settings, *, folder: Path) -> str:
    """Fills an empty service from a backup; what it has now, in a line. Raises BackupRefused."""
    if not (folder / MANIFEST).exists():
        raise BackupRefused(f"{folder} is no backup, or a half one: it has no {MANIFEST}")
    for file in _files(folder):
        if file.parts[0] == "datasets" and _digest(folder / file) != file.name:
            raise BackupRefused(f"{folder / file} is damaged; take another backup")
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        closing(Database(settings.database, pool_size=1)) as target,
        TemporaryDirectory(dir=settings.data_dir, prefix=".restore-") as aside,
    ):
        schema.upgrade(target)
        _copy_files(folder, settings.data_dir)  # before the rows that name them
        rows = Path(shutil.copy(folder / ROWS, aside))
        with closing(Database(f"sqlite:///{rows.absolute()}", pool_size=1)) as source:
            schema.upgrade(source)  # of an older version; the backup itself stays as it is
            counts = _copy_into_empty(source, target)
    return f"{sum(counts.values())} rows are restored"


def _copy_into_empty(source: Database, target: Database) -> dict[str, int]:
    try:
        return copy_all(source, target)
    except NotEmpty as error:
        hint = "restore into a new data directory and an empty database"
        raise BackupRefused(f"{error}; {hint}") from None


def _copy_rows(source: Database, file: Path) -> dict[str, int]:
    with closing(Database(f"sqlite:///{file.absolute()}", pool_size=1)) as target:
        schema.upgrade(target)
        counts = copy_all(source, target)
    file.chmod(0o600)
    file.with_name(f"{file.name}-line").unlink(missing_ok=True)  # where its writer stood; a backup has none
    return counts


def _files(folder: Path) -> Iterator[Path]:
    """The files that were written to their end, relative to `folder`."""
    for name in FOLDERS:
        for path in sorted((folder / name).rglob("*")):
            relative = path.relative_to(folder)
            if path.is_file() and not any(part.startswith(".") for part in relative.parts):
                yield relative


def _copy_files(source: Path, target: Path) -> int:
    """Copies what is not there yet; how many files are there then. Files never change."""
    return sum(_copied(source / file, target / file) for file in _files(source))


def _copied(source: Path, target: Path) -> bool:
    if target.exists():
        return True
    for folder in (target.parent.parent, target.parent):  # the mode is not that of parents made on the way
        folder.mkdir(mode=0o700, exist_ok=True)
    half = target.with_name(f".new-{target.name}")
    try:
        shutil.copyfile(source, half)
    except FileNotFoundError:
        return False  # deleted a moment ago: no row names it either
    half.chmod(0o600)  # as the storage writes them
    half.replace(target)
    return True


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()
