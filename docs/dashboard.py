"""The Grafana dashboard, drawn from the registry of metrics: a panel a question, in deploy/grafana/gradhouse.json."""

from __future__ import annotations

import json
from typing import Any

from service.telemetry.metrics import catalogue

WIDTH, HEIGHT, COLUMNS = 8, 8, 3
HTTP = "gradhouse_http_request_seconds"
# Title, unit, and what is drawn: legend and expression. Several APIs tell the same of the house: max, not sum.
PANELS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Parts that answer", "short", (("{{part}}", "min by (part) (gradhouse_up)"),)),
    ("Requests a second", "reqps", (("{{status}}", f"sum by (status) (rate({HTTP}_count[1m]))"),)),
    (
        "Time to the answer",
        "s",
        tuple(
            (f"p{share:g}", f"histogram_quantile({share / 100:g}, sum by (le) (rate({HTTP}_bucket[5m])))")
            for share in (50, 90, 99)
        ),
    ),
    (
        "p99 by route",
        "s",
        (("{{method}} {{route}}", f"histogram_quantile(0.99, sum by (le, method, route) (rate({HTTP}_bucket[5m])))"),),
    ),
    ("Failures a second", "reqps", (("{{route}}", f'sum by (route) (rate({HTTP}_count{{status=~"5.."}}[5m]))'),)),
    ("Jobs by status", "short", (("{{status}}", "max by (status) (gradhouse_jobs)"),)),
    ("Jobs that wait", "short", (("{{priority}}", "max by (priority) (gradhouse_queue_depth)"),)),
    ("The oldest waits", "s", (("", "max(gradhouse_queue_age_seconds)"),)),
    ("Messages in the broker", "short", (("", "max(gradhouse_queue_messages)"),)),
    ("Training steps a second", "short", (("", "max(rate(gradhouse_training_steps_total[1m]))"),)),
    ("Training at once", "short", (("", "max(rate(gradhouse_training_seconds_total[1m]))"),)),
    ("Training processes", "short", (("{{state}}", "max by (state) (gradhouse_training_processes)"),)),
    ("Workers", "short", (("", "max(gradhouse_workers)"),)),
    ("Silence of workers", "s", (("{{worker}}", "max by (worker) (gradhouse_worker_age_seconds)"),)),
    ("Silence about a running job", "s", (("", "max(gradhouse_heartbeat_age_seconds)"),)),
    ("Event streams open", "short", (("", "sum(gradhouse_event_streams_open)"),)),
    ("Models in memory", "short", (("", "sum(gradhouse_models_loaded)"),)),
    (
        "Bytes in memory",
        "bytes",
        (("models", "sum(gradhouse_models_loaded_bytes)"), ("datasets", "max(gradhouse_tables_cached_bytes)")),
    ),
    ("Datasets in memory", "short", (("", "max(gradhouse_tables_cached)"),)),
    ("Versions", "short", (("{{version}}", "count by (version) (gradhouse_info)"),)),
)


def dashboard() -> str:
    """The dashboard as JSON, to be imported into Grafana; the data source is asked for there."""
    document = {
        "title": "gradhouse",
        "uid": "gradhouse",
        "schemaVersion": 39,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(number, *panel) for number, panel in enumerate(PANELS)],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _panel(number: int, title: str, unit: str, drawn: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    meanings = [figure.help for figure in catalogue() if any(figure.name in expression for _, expression in drawn)]
    row, column = divmod(number, COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "description": " ".join(meanings),
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": expression, "legendFormat": legend or title}
            for place, (legend, expression) in enumerate(drawn)
        ],
    }
