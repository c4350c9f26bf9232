"""The `gradhouse` command: what can be started, and how. Everything heavy is loaded by name, late."""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

_data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything is kept.  [default: ./gradhouse-data]",
)
_port = click.option("--port", type=click.IntRange(1, 65535), help="Port of the API.  [default: 8137]")
_host = click.option("--host", help="Address of the API.  [default: 127.0.0.1]")


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every setting is also a variable GRADHOUSE_*; an option goes before it.",
)
@click.version_option(package_name="gradhouse")
def main() -> None:
    """Train small neural networks over HTTP, and look inside every number in them.

    `gradhouse demo` shows the whole journey; `gradhouse up` is the service on this machine. The other
    commands run its parts one by one, for many hosts: they meet at GRADHOUSE_DATABASE_URL and
    GRADHOUSE_BROKER_URL.
    """


@main.command()
@_data_dir
@_host
@_port
def up(data_dir: Path | None, host: str | None, port: int | None) -> None:
    """Run the whole service here: API, worker, broker and database.

    It stays in the foreground and restarts what dies; Ctrl-C stops everything within three seconds. The
    data directory keeps everything, and the next start finds it again. GRADHOUSE_DATABASE_URL and
    GRADHOUSE_BROKER_URL take the place of the built-in SQLite and Valkey.
    """
    settings = _settings("up", data_dir=data_dir, host=host, port=port)
    _run("service.up", settings)


@main.command()
@_data_dir
@_port
def demo(data_dir: Path | None, port: int | None) -> None:
    """Start everything, train on the moons over HTTP, predict, stop everything.

    It uses a free port and a temporary data directory unless told otherwise. Progress goes to stderr, the
    results to stdout.
    """
    os.environ.setdefault("GRADHOUSE_LOG_LEVEL", "WARNING")
    free = import_module("service.demo").free_port
    settings = _settings("demo", data_dir=data_dir, port=port or free())
    _run("service.demo", settings, keep=data_dir is not None)


@main.command()
@_data_dir
@_host
@_port
def api(data_dir: Path | None, host: str | None, port: int | None) -> None:
    """Run the HTTP API alone."""
    settings = _settings("api", data_dir=data_dir, host=host, port=port)
    with TemporaryDirectory(prefix="gradhouse-counters-") as counters:
        # Where its processes count requests together; the library looks once, when it is loaded.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counters
        # So do the allocators of Granian and of Polars. Else they keep a third of a megabyte for each thread,
        # dozens of which few are at work at once.
        os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:1,tcache:false")
        _run("service.serve", settings)


@main.command()
@_data_dir
@click.option("--concurrency", type=click.IntRange(1, 256), help="Jobs trained at once.  [default: 2]")
def worker(data_dir: Path | None, concurrency: int | None) -> None:
    """Run a worker that trains jobs, and the sweeper beside it.

    Any number of workers may run, on any host that reaches the database, the broker and the data
    directory. SIGTERM makes it save what it has and give its jobs back.
    """
    # Before NumPy is loaded: the bits of a training must not depend on the number of cores.
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    settings = _settings("worker", data_dir=data_dir, concurrency=concurrency)
    sys.exit(_run("service.worker.main", settings))


@main.command()
@_data_dir
@click.option("--beside", type=int, hidden=True, help="The worker process to watch.")
def sweeper(data_dir: Path | None, beside: int | None) -> None:
    """Run a sweeper alone: it gives the jobs of dead workers back and repeats lost messages.

    Every worker has one already; one more does no harm.
    """
    import_module("service.processes").die_with_parent(beside)
    settings = _settings("sweeper", data_dir=data_dir)
    _run("service.worker.sweep", settings, beside=beside)


@main.group()
def db() -> None:
    """Care for the database."""


@db.command()
@_data_dir
def upgrade(data_dir: Path | None) -> None:
    """Bring the database to the revision that this version needs. Safe to repeat."""
    settings = _settings("db", data_dir=data_dir)
    click.echo(f"the database is at revision {_run('service.tables.schema', settings)}")


@main.group()
def keys() -> None:
    """Make, list and revoke the keys that open the service to others."""


@keys.command()
@_data_dir
@click.option("--owner", required=True, help="Whose key it is; everything made with it is the owner's.")
@click.option("--scope", type=click.Choice(["read", "write", "admin"]), default="write", show_default=True)
@click.option("--days", type=click.FloatRange(0, 36_500, min_open=True), help="It expires after so long.")
@click.option("--note", help="What it is for.")
def create(data_dir: Path | None, owner: str, scope: str, days: float | None, note: str | None) -> None:
    """Make a key and print it: this once, for only its hash is kept.

    read sees and predicts; write also makes, changes and deletes; admin also sees the metrics.
    The owner `local` has what was made while the service asked for no keys.
    """
    settings = _settings("keys", data_dir=data_dir)
    click.echo(_run(_KEYS, settings, "create", owner=owner, scope=scope, days=days, note=note))


@keys.command("list")
@_data_dir
def list_keys(data_dir: Path | None) -> None:
    """List all keys: whose, what they may do, when they were last used. Never the keys themselves."""
    click.echo(_run(_KEYS, _settings("keys", data_dir=data_dir), "listing"))


@keys.command()
@_data_dir
@click.argument("key_id")
def revoke(data_dir: Path | None, key_id: str) -> None:
    """End a key for ever. Within a second it opens nothing more, on every host."""
    _run(_KEYS, _settings("keys", data_dir=data_dir), "revoke", key_id=key_id)
    click.echo(f"revoked {key_id}")


@main.command()
@_data_dir
@click.argument("folder", type=click.Path(path_type=Path))
def backup(data_dir: Path | None, folder: Path) -> None:
    """Save database and bytes of datasets in a new FOLDER, while the service runs.

    The rows are those of one moment. The folder holds everything, the hashes of keys included: keep it as
    safe as the service.
    """
    click.echo(_run(_BACKUP, _settings("backup", data_dir=data_dir), "save", folder=folder))


@main.command()
@_data_dir
@click.argument("folder", type=click.Path(path_type=Path))
def restore(data_dir: Path | None, folder: Path) -> None:
    """Fill an empty service from a backup's FOLDER: a new data directory, an empty database of either kind.

    Jobs that were running go on from their last checkpoint. A backup of an older version is brought up to
    date on the way; the folder itself is not changed.
    """
    click.echo(_run(_BACKUP, _settings("restore", data_dir=data_dir), "restore", folder=folder))


@main.command()
@_data_dir
@click.option("--days", type=click.FloatRange(0), default=30.0, show_default=True, help="What counts as old.")
@click.option("--jobs", "with_jobs", is_flag=True, help="Old jobs that are done go too; their models stay.")
@click.option("--dry-run", "dry", is_flag=True, help="Count, and change nothing.")
def prune(data_dir: Path | None, days: float, *, with_jobs: bool, dry: bool) -> None:
    """Forget what is old: checkpoints, snapshots, events, deliveries; and what nobody uses any more.

    Curves, transitions, models and datasets stay. Safe while the service runs.
    """
    settings = _settings("prune", data_dir=data_dir)
    gone = _run("service.operations.prune", settings, days=days, with_jobs=with_jobs, dry=dry)
    for name, count in gone.items():
        click.echo(f"{count:8d}  {name}")


@main.command()
@_data_dir
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of lines.")
def doctor(data_dir: Path | None, *, as_json: bool) -> None:
    """Look at settings, data directory, disk, database, broker, clocks, workers and compiler.

    A line each; what is wrong comes with what to do, and makes the exit code 1. Changes nothing.
    """
    found = _run("service.operations.doctor", _settings("doctor", data_dir=data_dir))
    facts = [{name: getattr(each, name) for name in ("level", "what", "fact", "remedy")} for each in found]
    click.echo(json.dumps(facts) if as_json else "\n".join(map(str, found)))
    sys.exit(any(each.level == "wrong" for each in found))


@main.command()
@_host
@_port
@click.option("--url", envvar="GRADHOUSE_URL", help="Its address.  [default: the settings' host and port]")
@click.option("--key", envvar="GRADHOUSE_KEY", help="Where the service asks for one.")
@click.option("--json", "as_json", is_flag=True, help="The service's answer as it is.")
def status(host: str | None, port: int | None, url: str | None, key: str | None, *, as_json: bool) -> None:
    """Ask a running service what runs: versions, workers, queue, jobs.

    Exit codes: 0 answered, 3 unreachable, 4 refused, 5 the service failed.
    """
    module = import_module("service.operations.status")
    try:
        found = module.run(_settings("status", host=host, port=port), url=url, key=key)
    except module.Unavailable as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    click.echo(json.dumps(found) if as_json else module.shown(found))


_KEYS = "service.access.commands"
_BACKUP = "service.operations.backup"


def _settings(process: str, **options: object) -> Any:
    settings_module = import_module("service.settings")
    try:
        settings = settings_module.load_settings(**options)
    except settings_module.BadSettings as error:
        raise click.UsageError(str(error)) from None
    if process in {"api", "worker", "sweeper"}:
        import_module("service.telemetry").configure_logging(settings, process)
    return settings


def _run(module: str, settings: Any, function: str = "run", **options: object) -> Any:
    """Runs a part; what it cannot do for a reason that it names is one line, not a trace."""
    try:
        return getattr(import_module(module), function)(settings, **options)
    except Exception as error:
        if (reason := _reason(error)) is None:
            raise
        raise click.ClickException(reason) from None


_REFUSALS = frozenset(
    {
        "BackupRefused",
        "BadSettings",
        "CannotStart",
        "DemoFailed",
        "KeyRefused",
        "MissingKeys",
        "OutdatedSchema",
    }
)


def _reason(error: Exception) -> str | None:
    # By name: the classes live in modules that this one must not load.
    name = type(error).__name__
    if name in _REFUSALS:
        return str(error)
    if name in {"DatabaseError", "OperationalError"}:
        return f"the database does not answer: {str(getattr(error, 'orig', error)).splitlines()[0]}"
    if isinstance(error, OSError) and error.filename:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return None


if __name__ == "__main__":
    main()
