"""Every figure that `/metrics` tells, once: name, kind, labels, help. Knows no table and no resource.

Requests are counted where they are answered; several API processes of one service share a folder of counters
(PROMETHEUS_MULTIPROC_DIR, which `gradhouse api` makes), and whichever is asked tells the sums. Figures about
jobs, queue and workers are the house's: `service.api.watching` reads them when somebody asks.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# From a cached answer to a long poll: half of the buckets stand where a service that is well answers.
SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_counted = CollectorRegistry()  # what this process counts itself

HTTP_SECONDS = (
    Histogram(  # its counts are the numbers of requests: a counter beside it would cost as much again
        "gradhouse_http_request_seconds",
        "From a request's arrival to the begin of its answer.",
        ("method", "route", "status"),
        buckets=SECONDS_BUCKETS,
        registry=_counted,
    )
)
MODELS_LOADED = Gauge(
    "gradhouse_models_loaded",
    "Models that the API processes hold in memory.",
    multiprocess_mode="livesum",
    registry=_counted,
)
MODELS_LOADED_BYTES = Gauge(
    "gradhouse_models_loaded_bytes",
    "Bytes of the models that the API processes hold in memory.",
    multiprocess_mode="livesum",
    registry=_counted,
)
STREAMS_OPEN = Gauge(
    "gradhouse_event_streams_open",
    "Event streams that the API processes serve now.",
    multiprocess_mode="livesum",
    registry=_counted,
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that is read when somebody asks; a counter's name gets its `_total` when it is written."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


READ: tuple[Figure, ...] = (
    Figure("gradhouse_up", "gauge", "Whether a part answers: 1 or 0.", ("part",)),
    Figure("gradhouse_info", "gauge", "Always 1; the version that answers.", ("version",)),
    Figure("gradhouse_jobs", "gauge", "Jobs there are, by their status.", ("status",)),
    Figure("gradhouse_queue_depth", "gauge", "Jobs that wait for a worker.", ("priority",)),
    Figure(
        "gradhouse_queue_age_seconds",
        "gauge",
        "How long the job that waits longest has waited for its first worker: scale workers by this.",
    ),
    Figure("gradhouse_queue_messages", "gauge", "Messages in the broker; hints, never more than 64 or so."),
    Figure(
        "gradhouse_heartbeat_age_seconds",
        "gauge",
        "The longest silence of a worker about a running job; beyond the lease its job is given away.",
    ),
    Figure("gradhouse_workers", "gauge", "Workers that say they are there."),
    Figure("gradhouse_worker_age_seconds", "gauge", "Since a worker last said so.", ("worker",)),
    Figure("gradhouse_training_processes", "gauge", "Processes of all workers, by state.", ("state",)),
    Figure("gradhouse_training_steps", "counter", "Updates of parameters, by all workers."),
    Figure("gradhouse_training_seconds", "counter", "Seconds of training, by all workers."),
    Figure("gradhouse_tables_cached", "gauge", "Decoded datasets that the workers hold in memory."),
    Figure("gradhouse_tables_cached_bytes", "gauge", "Bytes of these."),
)

Samples = Mapping[str, Mapping[tuple[str, ...], float]]  # by name, then by the labels' values


def catalogue() -> list[Figure]:
    """Every figure as a row, for the reference and for whoever draws."""
    counted = [
        Figure(each.name, each.type, each.documentation, tuple(_labels_of(each.name)))
        for each in _counted.collect()
    ]
    return [*counted, *READ]


def _labels_of(name: str) -> tuple[str, ...]:
    instruments = (HTTP_SECONDS, MODELS_LOADED, MODELS_LOADED_BYTES, STREAMS_OPEN)
    return next(each._labelnames for each in instruments if each._name == name)  # noqa: SLF001 - told by no other


def exposition(read: Samples) -> bytes:
    """The text that Prometheus reads: what the API processes have counted, and what was read just now."""
    registry = CollectorRegistry()
    registry.register(_House(read))
    return generate_latest(_of_all_processes()) + generate_latest(registry)


class _House(Collector):
    """What was read, in the library's own terms."""

    def __init__(self, read: Samples) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        for figure in READ:
            kind = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
            family = kind(figure.name, figure.help, labels=figure.labels)
            for labels, value in self._read.get(figure.name, {}).items():
                family.add_metric(labels, value)
            yield family


def _of_all_processes() -> CollectorRegistry:
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return _counted
    _forget_dead(Path(folder))
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]  # the library has no types here
    return registry


def _forget_dead(folder: Path) -> None:
    """Drops the gauges of processes that have died; what they counted still counts."""
    for file in folder.glob("gauge_live*_*.db"):
        process = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{process}").exists() and Path("/proc/self").exists():
            mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]  # nor here
