"""Spans, where the settings ask for them; none else."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.api.parts import parts_of
from service.app import create_app
from service.settings import BadSettings, Settings
from service.telemetry import tracing
from service.worker.bench import Bench, SharedFlag
from service.worker.work import work
from tests.training import SEED_JOB, Workshop


@pytest.fixture
def spans(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """A process that traces into memory."""
    monkeypatch.setattr(tracing, "_provider", None)  # and back to none afterwards
    exporter = InMemorySpanExporter()
    tracing.configure_tracing(replace(settings, tracing=True), "test", exporter)
    yield exporter
    tracing._provider.shutdown()
    SQLAlchemyInstrumentor().uninstrument()


def ended(exporter: InMemorySpanExporter) -> list[Any]:
    """The spans that have ended."""
    tracing._provider.force_flush()
    return list(exporter.get_finished_spans())


def test_a_request_is_a_span_with_its_statements_under_it(
    settings: Settings, spans: InMemorySpanExporter
) -> None:
    app = create_app(settings)
    tracing.trace_application(app)
    tracing.trace_statements(parts_of(app).database.engine)
    assert app.test_client().get("/api/v1/jobs").status_code == 200
    app.test_client().get("/healthz")
    found = ended(spans)
    (request,) = (each for each in found if each.kind.name == "SERVER")
    assert request.name == "GET /api/v1/jobs"
    under = [each for each in found if each.parent and each.parent.span_id == request.context.span_id]
    assert any("SELECT" in each.name for each in under)
    parts_of(app).database.close()
    parts_of(app).broker.close()


def test_a_training_is_a_span_that_names_its_job(
    settings: Settings, workshop: Workshop, spans: InMemorySpanExporter
) -> None:
    job, bench = workshop.add(SEED_JOB), Bench.open(settings, SharedFlag())
    assert work(bench)
    bench.close()
    (training,) = ended(spans)
    assert training.name == "train"
    assert training.attributes["gradhouse.job_id"] == job.id
    assert training.resource.attributes["service.name"] == "gradhouse-test"


def test_a_training_belongs_to_the_trace_of_the_request_that_made_its_job(
    settings: Settings, workshop: Workshop, spans: InMemorySpanExporter
) -> None:
    with tracing.span("the request"):
        workshop.add(SEED_JOB)
    bench = Bench.open(settings, SharedFlag())
    with tracing.span("something else"):
        assert work(bench)
    bench.close()
    found = {each.name: each for each in ended(spans)}
    request, training = found["the request"].context, found["train"]
    assert training.parent.span_id == request.span_id
    assert training.context.trace_id == request.trace_id != found["something else"].context.trace_id


def test_without_the_setting_nothing_of_it_is_loaded() -> None:
    code = (
        "import sys; from service.settings import Settings; from service.telemetry import tracing;"
        "tracing.configure_tracing(Settings(), 'api');"
        "block = tracing.span('x'); block.__enter__();"
        "print(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "find_spec", lambda _name: None)
    with pytest.raises(BadSettings, match=r"pip install 'gradhouse\[otel\]'"):
        tracing.require_tracing(Settings(tracing=True))
    tracing.require_tracing(Settings())
