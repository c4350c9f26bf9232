"""Every setting of the service, once: name, type, default, help; read from GRADHOUSE_* variables."""

from dataclasses import dataclass, field, fields
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from environs import Env, EnvError, validate

from service.addresses import is_loopback, require_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.data.reading.options import Bounds
    from engine.spec import Limits

PREFIX = "GRADHOUSE_"
KIB, MIB = 2**10, 2**20

_DATA_DIR = Path("gradhouse-data")
_SQL = ("sqlite", "postgresql", "postgresql+psycopg", "postgres")
_REDIS = ("redis", "rediss", "unix", "redis+socket")
_PLAIN = {"Not a valid integer.": "must be a whole number", "Not a valid number.": "must be a number"}


class BadSettings(ValueError):
    """A variable of the environment cannot be used; the text names it, its bound and what was found."""


def _setting(
    default: Any, text: str, *, least: float | None = None, most: float | None = None, secret: bool = False
) -> Any:
    metadata = {"help": text, "least": least, "most": most}
    return field(default=default, metadata=metadata, repr=not secret)  # what holds a password is not printed


def _choice(default: str, options: tuple[str, ...], text: str) -> Any:
    return field(default=default, metadata={"help": text, "options": options})


def _address(text: str, schemes: tuple[str, ...]) -> Any:
    return field(default="", metadata={"help": text, "schemes": schemes}, repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process. Times are in seconds, sizes in bytes."""

    database_url: str = _address("SQLAlchemy URL of the database; empty: SQLite in the data directory", _SQL)
    broker_url: str = _address(
        "redis:// URL of the broker; empty: a local Redis; `up` brings its own", _REDIS
    )
    data_dir: Path = _setting(  # noqa: RUF009 - a path is immutable
        _DATA_DIR, "where datasets, SQLite and the embedded broker live"
    )
    s3_bucket: str = _setting("", "bucket that keeps datasets and outputs for many hosts; empty: a folder")
    s3_prefix: str = _setting("", "where in the bucket")
    s3_endpoint: str = _setting("", "URL of the S3-compatible store; empty: Amazon's")
    s3_region: str = _setting("us-east-1", "the bucket's region")
    s3_access_key_id: str = _setting("", "key of the store; empty: what the host's environment gives")
    s3_secret_access_key: str = _setting("", "secret of the key", secret=True)

    host: str = _setting("127.0.0.1", "address the API listens on")
    port: int = _setting(8137, "port the API listens on", least=1, most=65535)

    require_keys: bool = _setting(default=False, text="whether loopback asks for keys too; others always do")
    max_keys: int = _setting(1_000, "most keys that open at once", least=1, most=100_000)

    allowed_hosts: str = _setting(
        "", "names the service is known by, commas between; else any but on loopback"
    )
    trusted_proxies: int = _setting(0, "proxies of yours whose X-Forwarded-For is believed", least=0, most=9)

    rate_limits: str = _choice(
        "auto", ("auto", "on", "off"), "whether requests are counted; auto: not on loopback"
    )
    key_rate: float = _setting(100.0, "requests a second of one key", least=0.01)
    key_burst: int = _setting(400, "requests of one key at once", least=1)
    address_rate: float = _setting(20.0, "requests a second of one address without a good key", least=0.01)
    address_burst: int = _setting(200, "requests of one address at once without a good key", least=1)
    rate_failure: str = _choice(
        "open", ("open", "closed"), "what passes while the broker cannot count: all, none"
    )
    max_header_bytes: int = _setting(128 * KIB, "largest head of a request", least=8 * KIB, most=2 * MIB)
    header_seconds: float = _setting(10.0, "patience with the head of a request", least=0.5, most=60)
    max_depth: int = _setting(32, "deepest nesting of JSON in a body", least=4, most=500)

    log_level: str = _choice("INFO", ("DEBUG", "INFO", "WARNING", "ERROR"), "least level that is logged")
    log_format: str = _choice("console", ("console", "json"), "a line for people, or one JSON object a line")
    tracing: bool = _setting(
        default=False, text="whether spans go to OpenTelemetry (the extra otel, OTEL_* variables)"
    )
    log_requests: str = _choice(
        "no_probes",
        ("all", "no_probes", "none"),
        "a line a request: for all, all but health and metrics, or none",
    )

    api_processes: int = _setting(2, "processes that answer requests", least=1, most=64)
    api_threads: int = _setting(
        8, "requests answered at once by one API process, streams aside", least=1, most=512
    )
    max_readers: int = _setting(
        32, "bodies one API process reads at once, half of one owner", least=2, most=512
    )
    max_body_bytes: int = _setting(256 * MIB, "largest request body", least=KIB)
    max_json_bytes: int = _setting(64 * MIB, "largest JSON in a body", least=KIB)
    inline_bytes: int = _setting(32 * MIB, "a larger file is validated by a worker", least=0)
    max_rows: int = _setting(1_000_000, "most rows of a dataset", least=1)
    max_columns: int = _setting(2_000, "most columns of a dataset", least=1)
    max_cells: int = _setting(20_000_000, "most cells of a dataset", least=1)
    max_decoders: int = _setting(2, "binary files one process decodes at once", least=1, most=64)
    decoder_bytes: int = _setting(2048 * MIB, "most memory of a child that decodes a file", least=256 * MIB)
    decoder_seconds: float = _setting(60.0, "patience with a child that decodes a file", least=0.1, most=3600)
    max_instances: int = _setting(100_000, "most rows of one prediction request", least=1)

    max_loaded_bytes: int = _setting(
        256 * MIB, "most memory of the decoded models that one API process keeps", least=0
    )
    max_derivatives: int = _setting(5_000_000, "most numbers of one answer of derivatives", least=1)
    max_graph_nodes: int = _setting(20_000, "most nodes of one expression graph", least=1)
    max_drawn_nodes: int = _setting(2_000, "most nodes of a graph drawn as SVG", least=1)

    replay_snapshots: int = _setting(120, "most snapshots of a training kept for its replay", least=2)
    replay_bytes: int = _setting(32 * MIB, "largest size of a training's snapshots", least=1)

    max_units: int = _setting(4096, "most units of one layer", least=1)
    max_layers: int = _setting(64, "most hidden layers", least=1)
    max_parameters: int = _setting(10_000_000, "most parameters of a model", least=1)
    max_training_bytes: int = _setting(4_000_000_000, "most bytes of memory one training may need", least=1)
    max_epochs: int = _setting(1_000_000, "most epochs of a job", least=1)
    max_seconds: float = _setting(3600.0, "most training seconds of a job", least=1)

    max_work: float = _setting(1e15, "most epochs x rows x parameters of a job", least=1)
    max_queued: int = _setting(20_000, "most jobs that wait at once", least=1)
    max_queued_per_owner: int = _setting(10_000, "most jobs of one owner that wait at once", least=1)
    max_running_per_owner: int = _setting(
        0, "most jobs of one owner that run at once; 0: any number", least=0
    )
    max_retry_seconds: float = _setting(10.0, "longest Retry-After of a job or of a full queue", least=1)
    max_streams: int = _setting(8, "event streams open at once in one API process", least=0, most=512)
    stream_seconds: float = _setting(
        25.0, "after which an event stream ends, to be resumed", least=0.1, most=300
    )

    webhook_private: bool = _setting(default=False, text="whether webhooks may go to private addresses")
    webhook_seconds: float = _setting(10.0, "patience with a webhook's receiver", least=0.1, most=60)
    webhooks_at_once: int = _setting(4, "webhooks that one sweeper posts at once", least=2, most=64)
    webhook_attempts: int = _setting(7, "attempts before a webhook is given up", least=1, most=20)
    webhook_pause_seconds: float = _setting(5.0, "pause after a first failed attempt; then x 5", least=0.01)

    concurrency: int = _setting(2, "jobs one worker trains at once", least=1, most=256)
    niceness: int = _setting(10, "how far training steps back behind predictions (nice)", least=0, most=19)
    chunk_seconds: float = _setting(0.15, "training between two looks at the flags", least=0.001, most=5)
    first_progress_seconds: float = _setting(0.1, "first progress after a claim", least=0, most=5)
    progress_seconds: float = _setting(2.0, "training between two progress transactions", least=0.01, most=60)
    slice_seconds: float = _setting(30.0, "training before a job gives its place to the next", least=0.05)
    lease_seconds: float = _setting(15.0, "silence after which a worker's job is given away", least=0.5)
    sweep_seconds: float = _setting(2.0, "between two looks of the sweeper", least=0.05)
    grace_seconds: float = _setting(5.0, "age at which a queued job's message counts as lost", least=0.05)
    deaf_seconds: float = _setting(30.0, "a worker that takes nothing for so long is restarted", least=1)
    numerics_seconds: float = _setting(
        600.0, "a begun job waits so long for a worker with its numerics, then it fails", least=1
    )
    orphan_seconds: float = _setting(86_400.0, "age at which bytes without a dataset are removed", least=60)
    max_tries: int = _setting(3, "claims in a row without progress before a job fails", least=1)

    sqlite_synchronous: str = _choice("NORMAL", ("NORMAL", "FULL"), "FULL where power loss must lose nothing")
    database_start_seconds: float = _setting(30.0, "how long a start waits for the database", least=0)
    database_pool: int = _setting(8, "most database connections of one process", least=1, most=256)

    @property
    def database(self) -> str:
        """The database's URL, the default worked out."""
        url = self.database_url or f"sqlite:///{self.data_dir.absolute() / 'gradhouse.db'}"
        scheme, colon, rest = url.partition(":")
        # As everybody else spells it; SQLAlchemy wants the driver's name too.
        return f"postgresql+psycopg:{rest}" if colon and scheme in {"postgres", "postgresql"} else url

    @property
    def database_key(self) -> str:
        """A short name for the database, whoever logs in to it: the same on all hosts that use one URL."""
        place = self.database.rpartition("@")[2] if "@" in self.database else self.database
        return sha256(place.encode()).hexdigest()[:16]

    @property
    def broker(self) -> str:
        """The broker's URL, the default worked out."""
        return self.broker_url or "redis://127.0.0.1:6379/0"

    @property
    def keyed(self) -> bool:
        """Whether requests need a key: only this machine's own user is served without."""
        return self.require_keys or not is_loopback(self.host)

    @property
    def rate_limited(self) -> bool:
        """Whether requests are counted."""
        return self.rate_limits == "on" or (self.rate_limits == "auto" and not is_loopback(self.host))

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which the service is known, in lower case; empty: any."""
        return frozenset(name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip())

    @property
    def datasets_dir(self) -> Path:
        """Where the bytes of datasets live."""
        return self.data_dir / "datasets"

    @property
    def outputs_dir(self) -> Path:
        """Where the outputs of jobs live."""
        return self.data_dir / "outputs"

    def engine_limits(self) -> "Limits":
        """The bounds the engine holds a training spec to."""
        names = (
            "max_units",
            "max_layers",
            "max_parameters",
            "max_training_bytes",
            "max_epochs",
            "max_seconds",
        )
        return cast("Limits", self._engine_value("engine.spec", "Limits", names))

    def data_bounds(self) -> "Bounds":
        """The bounds the engine holds a table to."""
        names = ("max_rows", "max_columns", "max_cells")
        return cast("Bounds", self._engine_value("engine.data.reading.options", "Bounds", names))

    def environment(self) -> dict[str, str]:
        """The variables that give a child process these settings."""
        changed = (each.name for each in fields(self) if getattr(self, each.name) != each.default)
        return {PREFIX + name.upper(): str(getattr(self, name)) for name in changed}

    def _engine_value(self, module: str, name: str, names: tuple[str, ...]) -> object:
        # By name: the supervisor reads settings and must start without NumPy and polars.
        return getattr(import_module(module), name)(**{each: getattr(self, each) for each in names})


def load_settings(**overrides: object) -> Settings:
    """The settings of the environment, with `overrides` that are not None on top. Raises BadSettings."""
    env = Env(prefix=PREFIX)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in fields(Settings):
        try:
            values[setting.name] = _read(env, setting.name, setting.default, setting.metadata)
        except EnvError as error:
            problems.append(f"{PREFIX}{setting.name.upper()} {_reason(error)}")
    if problems:
        raise BadSettings("; ".join(problems))
    values |= {name: value for name, value in overrides.items() if value is not None}
    return Settings(**values)


def describe_settings() -> list[dict[str, str]]:
    """A row a setting, for the reference: variable, type, default, help."""
    return [
        {
            "variable": PREFIX + setting.name.upper(),
            "type": type(setting.default).__name__.removeprefix("Posix"),
            "default": str(setting.default),
            "help": setting.metadata["help"],
        }
        for setting in fields(Settings)
    ]


def _read(env: Env, name: str, default: object, metadata: Any) -> object:
    readers: dict[type, Any] = {bool: env.bool, int: env.int, float: env.float, str: env.str}
    read = readers.get(type(default), env.path)
    return read(name.upper(), default, validate=_rules(metadata))


def _reason(error: EnvError) -> str:
    messages = getattr(error, "error_messages", None) or [str(error)]
    return ", ".join(_PLAIN.get(each, each) for each in messages)


def _rules(metadata: Any) -> "list[Callable[[Any], Any]]":
    if options := metadata.get("options"):
        return [validate.OneOf(options, error="must be one of {choices}, got {input}")]
    if schemes := metadata.get("schemes"):
        return [partial(require_address, schemes)]
    least, most = metadata["least"], metadata["most"]
    if least is None:
        return []
    bound = f"at least {least:g}" if most is None else f"between {least:g} and {most:g}"
    return [validate.Range(min=least, max=most, error=f"must be {bound}, got {{input}}")]
