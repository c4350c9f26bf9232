"""Traces for OpenTelemetry: requests, statements and trainings as spans, where the extra `otel` is installed.

Nothing of it is loaded unless the setting `tracing` asks for it. Where the spans go is said by variables of
OpenTelemetry's own, OTEL_EXPORTER_OTLP_ENDPOINT first of all.
"""

from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from service.settings import BadSettings, Settings

TRACEPARENT = "traceparent"
UNTRACED = "healthz,readyz,metrics"  # what machines ask every few seconds

_provider: Any = None


def configure_tracing(settings: Settings, process: str, exporter: Any = None) -> None:
    """Begins to send this process's spans, if the settings ask for it; in the process that makes them.

    `exporter` takes the place of the one over HTTP. Raises BadSettings.
    """
    global _provider  # noqa: PLW0603 - one a process
    if not settings.tracing:
        return
    require_tracing(settings)
    # By name: an extra, and dear to load.
    sdk, sent = import_module("opentelemetry.sdk.trace"), import_module("opentelemetry.sdk.trace.export")
    http = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    named = {"service.name": f"gradhouse-{process}"}
    _provider = sdk.TracerProvider(
        resource=import_module("opentelemetry.sdk.resources").Resource.create(named)
    )
    _provider.add_span_processor(sent.BatchSpanProcessor(exporter or http.OTLPSpanExporter()))


def require_tracing(settings: Settings) -> None:
    """Raises BadSettings where the settings ask for traces and the extra is missing."""
    if settings.tracing and find_spec("opentelemetry") is None:
        raise BadSettings("GRADHOUSE_TRACING is on, which needs: pip install 'gradhouse[otel]'")


def trace_application(app: Any) -> None:
    """Makes a span of every request of a Flask application, if this process traces."""
    if _provider is not None:
        flask = import_module("opentelemetry.instrumentation.flask")
        flask.FlaskInstrumentor().instrument_app(app, excluded_urls=UNTRACED, tracer_provider=_provider)


def trace_statements(engine: Any) -> None:
    """Makes a span of every statement of this process's SQLAlchemy engine, if it traces."""
    if _provider is not None:
        sqlalchemy = import_module("opentelemetry.instrumentation.sqlalchemy")
        # It declares an older SQLAlchemy than ours, with which it works as well: a test says so.
        instrumentor = sqlalchemy.SQLAlchemyInstrumentor()
        instrumentor.instrument(engine=engine, tracer_provider=_provider, skip_dep_check=True)


def span(name: str, parent: str | None = None, **attributes: Any) -> AbstractContextManager[Any]:
    """A span around a block of work, with what it is about; nothing where this process does not trace.

    `parent`: the `traceparent` of what asked for the work, perhaps in another process.
    """
    if _provider is None:
        return nullcontext()
    known = {f"gradhouse.{key}": value for key, value in attributes.items() if value is not None}
    found: AbstractContextManager[Any] = _provider.get_tracer("gradhouse").start_as_current_span(
        name, _propagator().extract({TRACEPARENT: parent or ""}), attributes=known
    )
    return found


def current_traceparent() -> str | None:
    """The span at hand, as W3C Trace Context writes it; None where this process does not trace."""
    if _provider is None:
        return None
    carrier: dict[str, str] = {}
    _propagator().inject(carrier)
    return carrier.get(TRACEPARENT)


def _propagator() -> Any:
    return import_module("opentelemetry.trace.propagation.tracecontext").TraceContextTextMapPropagator()
