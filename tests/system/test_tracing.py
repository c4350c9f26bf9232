"""Traces of a real service, as a collector hears of them over OTLP."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.servers import eventually
from tests.system.service import Service
from tests.training import MOONS, SEED_JOB

pytestmark = pytest.mark.system

CLIENTS_TRACE, CLIENTS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """What an OpenTelemetry collector is to those who send: it takes spans in over HTTP, and keeps them."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []  # each with the service that sent it
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces", self.path
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it takes spans in."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def take(self, body: bytes) -> None:
        """Keeps the spans of one request."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            (service,) = (
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            )
            self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]

    def named(self, name: str) -> tuple[str, Any] | None:
        """The first span of this name, once it has come."""
        return next((each for each in self.spans if each[1].name == name), None)


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_a_clients_trace_goes_through_request_and_training(collector: Collector, tmp_path: Path) -> None:
    sent = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    service = Service(tmp_path, {"GRADHOUSE_TRACING": "true", **sent})
    try:
        dataset = service.post("/datasets", {"sample": "moons", "options": MOONS})["id"]
        header = {"traceparent": f"00-{CLIENTS_TRACE}-{CLIENTS_SPAN}-01"}
        body = {"dataset_id": dataset, **SEED_JOB}
        assert service.client.post("/jobs", json=body, headers=header).status_code == 202

        (worker, training) = eventually(lambda: collector.named("train"), what="the training's span")
        (api, request) = eventually(lambda: collector.named("POST /api/v1/jobs"), what="the request's span")
    finally:
        service.close()
    assert (api, worker) == ("gradhouse-api", "gradhouse-worker")
    assert request.trace_id.hex() == training.trace_id.hex() == CLIENTS_TRACE
    assert request.parent_span_id.hex() == CLIENTS_SPAN
    assert training.parent_span_id == request.span_id
    statements = [span for name, span in collector.spans if span.parent_span_id == request.span_id]
    assert any(span.name.startswith("INSERT") for span in statements)
