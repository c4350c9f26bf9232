"""`gradhouse doctor`: looks at everything a service stands on, and says of what is wrong how to mend it."""

import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import redis

from engine.data.samples import make_sample
from engine.registry import did_you_mean
from engine.spec import parse_spec
from engine.training.trainer import Trainer
from service.broker import connect
from service.presence import Presence
from service.settings import BadSettings, Settings, describe_settings
from service.storage import MissingBytes, StorageAway, open_storage
from service.tables import HEAD, schema
from service.tables.base import Database, DatabaseError
from service.up import BROKER_SOCKET

SKEW_SECONDS = 2.0  # leases run on the database's clock: other clocks only confuse readers of logs
LITTLE_SPACE, TOO_LITTLE_SPACE = 2 * 2**30, 200 * 2**20  # bytes
PRIVATE = 0o077  # the bits of a mode that open a folder to others
CODE_CACHE = "GRADHOUSE_CODE_CACHE"
OTHER_VARIABLES = (CODE_CACHE, "GRADHOUSE_KEY", "GRADHOUSE_URL")  # read by the compiler, and by clients


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok`, a `warning`, or `wrong`, and then what to do."""

    level: str
    what: str
    fact: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.level:8}{self.what:16}{self.fact}"
        return f"{line}\n{'':24}→ {self.remedy}" if self.remedy else line


def run(settings: Settings) -> list[Finding]:
    """Everything that was looked at. Changes nothing; works while the service runs and while it does not."""
    found = [*_names(), _python(), *_folders(settings), *_bucket(settings), *_database(settings)]
    return [*found, *_broker(settings), *_compiler()]


def _names() -> Iterator[Finding]:
    """Settings are right, or we would not be here; but a misspelt name is silently none."""
    known = [*OTHER_VARIABLES, *(each["variable"] for each in describe_settings())]
    strange = sorted(name for name in os.environ if name.startswith("GRADHOUSE_") and name not in known)
    for name in strange:
        meant = did_you_mean(name, known)
        yield Finding(
            "wrong", "settings", f"{name} is no setting", f"did you mean {meant}?" if meant else "unset it"
        )
    if not strange:
        yield Finding(
            "ok", "settings", f"{sum(name in os.environ for name in known)} set, the others default"
        )


def _python() -> Finding:
    return Finding(
        "ok", "versions", f"gradhouse {version('gradhouse')}, Python {python_version()}, {sys.platform}"
    )


def _folders(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir.absolute()
    if not folder.exists():
        remedy = "`gradhouse up` makes it, or set GRADHOUSE_DATA_DIR"
        yield Finding("warning", "data directory", f"{folder} does not exist yet", remedy)
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        remedy = f"chown it to the user who runs gradhouse ({os.geteuid()})"
        yield Finding("wrong", "data directory", f"{folder} cannot be written", remedy)
    open_to_others = [path for path in _private(settings) if path.exists() and path.stat().st_mode & PRIVATE]
    for path in open_to_others:
        yield Finding("warning", "data directory", f"others may read {path}", f"chmod go= {path}")
    if not open_to_others:
        yield Finding("ok", "data directory", f"{folder} is this user's alone")
    yield _space(folder)


def _private(settings: Settings) -> tuple[Path, ...]:
    return settings.data_dir, settings.datasets_dir, settings.outputs_dir


def _space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    fact = f"{free / 2**30:.1f} GiB free"
    remedy = "`gradhouse prune` forgets what is old; or move the data directory"
    if free < TOO_LITTLE_SPACE:
        return Finding("wrong", "disk", fact, remedy)
    return Finding("warning", "disk", fact, remedy) if free < LITTLE_SPACE else Finding("ok", "disk", fact)


def _bucket(settings: Settings) -> Iterator[Finding]:
    if not settings.s3_bucket:
        return
    try:
        open_storage(settings).read("0" * 64)  # says, as every start does, that this service uses the bucket
    except MissingBytes:
        yield Finding("ok", "bucket", f"{settings.s3_bucket} is read and written")
    except (BadSettings, StorageAway) as error:
        remedy = "start the store, or correct GRADHOUSE_S3_*"
        yield Finding("wrong", "bucket", str(error).splitlines()[0], remedy)


def _database(settings: Settings) -> Iterator[Finding]:
    database = Database(settings.database, pool_size=1)
    try:
        if schema.exists(database):
            yield from _asked(database)
        else:
            remedy = "`gradhouse up` makes it, or `gradhouse db upgrade`"
            yield Finding("warning", "database", f"there is no {database.engine.url.database} yet", remedy)
    except DatabaseError as error:
        reason = str(error.orig).strip().splitlines()[0]
        yield Finding("wrong", "database", f"does not answer: {reason}", _remedy(database))
    finally:
        database.close()


def _remedy(database: Database) -> str:
    """What helps a database that does not answer."""
    if database.engine.dialect.name != "sqlite":
        return "start it, or correct GRADHOUSE_DATABASE_URL"
    file = Path(database.engine.url.database or "")
    if shutil.disk_usage(file.parent).free < TOO_LITTLE_SPACE:
        return f"make room on the disk of {file} first: SQLite cannot even be read without"
    return f"is {file} the right file? Else restore a backup"


def _asked(database: Database) -> Iterator[Finding]:
    kind, found = database.engine.dialect.name, schema.revision(database)
    yield Finding("ok", "database", f"{kind} answers")
    yield _migrations(database, found)
    if kind == "sqlite":
        yield _file(database)
    yield _clock("database clock", partial(schema.clock_seconds, database))


def _migrations(database: Database, found: str | None) -> Finding:
    try:
        schema.require_current(database)
    except schema.OutdatedSchema as error:
        return Finding("wrong", "migrations", str(error).partition(":")[0], "gradhouse db upgrade")
    if found == HEAD:
        return Finding("ok", "migrations", f"at revision {HEAD}")
    fact = f"at revision {found}, newer than the {HEAD} of this version"
    return Finding(
        "warning", "migrations", fact, "fine during a rolling upgrade; else install the new version"
    )


def _file(database: Database) -> Finding:
    if damage := schema.damage(database):
        return Finding("wrong", "database file", damage, "stop the service, and restore a backup")
    return Finding("ok", "database file", "sound")


def _broker(settings: Settings) -> Iterator[Finding]:
    own, given = settings.data_dir.absolute() / BROKER_SOCKET, bool(settings.broker_url)
    if not given and own.exists():  # that of `gradhouse up`, whose parts are told of it
        settings = replace(settings, broker_url=f"unix://{own}")
    client = connect(settings)
    try:
        facts = client.info()
        policy = client.config_get("maxmemory-policy")["maxmemory-policy"]
    except (redis.RedisError, OSError, ValueError) as error:
        if not given:
            yield Finding("ok", "broker", "none is set: `gradhouse up` brings its own")
            return
        remedy = "start it, or correct GRADHOUSE_BROKER_URL"
        yield Finding("wrong", "broker", f"does not answer: {str(error).splitlines()[0]}", remedy)
        return
    finally:
        client.close()
    yield Finding("ok", "broker", f"{facts.get('server_name', 'redis')} {facts['redis_version']} answers")
    if policy != "noeviction":
        remedy = "set maxmemory-policy noeviction, else a full broker forgets messages"
        yield Finding("warning", "broker", f"its maxmemory-policy is {policy}", remedy)
    presence = Presence(settings)
    yield _clock("broker clock", presence.now_seconds)
    yield from _workers(presence)
    presence.close()


def _workers(presence: Presence) -> Iterator[Finding]:
    crew = presence.crew()
    if crew is None or not crew.workers:
        yield Finding("warning", "workers", "none is there: jobs wait", "gradhouse worker")
        return
    mine, theirs = version("gradhouse"), {str(each.facts.get("version")) for each in crew.workers}
    yield Finding("ok", "workers", f"{len(crew.workers)}, of version {', '.join(sorted(theirs))}")
    if theirs != {mine}:
        remedy = "fine during a rolling upgrade; else restart the others"
        yield Finding("warning", "workers", f"this is version {mine}", remedy)


def _clock(what: str, read: Callable[[], float]) -> Finding:
    began = time.time()
    there = read()
    skew = there - (began + time.time()) / 2
    if abs(skew) <= SKEW_SECONDS:
        return Finding("ok", what, f"{skew:+.2f} s from this host's")
    return Finding("warning", what, f"{skew:+.1f} s from this host's", "let all hosts follow one time server")


def _compiler() -> Iterator[Finding]:
    table = make_sample("xor", {})
    spec = parse_spec({"target": "y", "training": {"epochs": 1}}, table.profile())
    began = time.monotonic()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        trainer = Trainer(spec, table)
        for _ in trainer.blocks():
            pass
    fact = (
        f"a training runs on {trainer.executor_name} ({trainer.numerics}), {time.monotonic() - began:.2f} s"
    )
    if trainer.executor_name != "compiled":
        remedy = "llvmlite has no code for this machine: trainings are slower"
        yield Finding("warning", "compiler", fact, remedy)
        return
    yield Finding("ok", "compiler", fact)
    yield _object_cache([str(each.message) for each in said])


def _object_cache(said: list[str]) -> Finding:
    for text in said:
        if text.startswith("compiled code is not kept: "):
            remedy = f"name a directory in {CODE_CACHE}, this user's own and 0700, else each start compiles"
            return Finding("warning", "object cache", text, remedy)
    if os.environ.get(CODE_CACHE) == "off":
        return Finding("ok", "object cache", f"{CODE_CACHE} is off: each start compiles anew")
    return Finding("ok", "object cache", "compiled code is kept")
