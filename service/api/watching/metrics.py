"""`/metrics` for Prometheus: what the API counts, and the house in numbers."""

from importlib.metadata import version

from flask import Response

from service.api.parts import running
from service.api.watching.look import Seen
from service.presence import Crew
from service.processes import shown_name
from service.scopes import Scope
from service.tables.figures import Figures
from service.telemetry.metrics import CONTENT_TYPE, Samples, exposition
from service.web.contract import Blueprint

blueprint = Blueprint("metrics", "Figures for Prometheus.", prefix="/")


@blueprint.get("metrics", produces=("text/plain", "application/openmetrics-text"), scope=Scope.ADMIN)
@blueprint.answer(200, content_type="text/plain", description="In Prometheus' text format.")
def read_metrics() -> Response:
    """List every figure, as Prometheus reads it; also while parts are away: `gradhouse_up` says so."""
    text = exposition(samples(running().lookout.look()))
    return Response(text, content_type=CONTENT_TYPE)


def samples(seen: Seen) -> Samples:
    """What was seen as samples; a part that is away has none but its absence."""
    up = {("database",): seen.figures is not None, ("broker",): seen.crew is not None}
    found: dict[str, dict[tuple[str, ...], float]] = {
        "gradhouse_up": {part: float(answers) for part, answers in up.items()},
        "gradhouse_info": {(version("gradhouse"),): 1},
    }
    return found | _of_jobs(seen.figures) | _of_crew(seen.crew)


def _of_jobs(figures: Figures | None) -> dict[str, dict[tuple[str, ...], float]]:
    if figures is None:
        return {}
    return {
        "gradhouse_jobs": {(status,): count for status, count in figures.jobs.items()},
        "gradhouse_queue_depth": {(priority,): count for priority, count in figures.queued.items()},
        "gradhouse_queue_age_seconds": {(): figures.queue_age_seconds},
        "gradhouse_heartbeat_age_seconds": {(): figures.heartbeat_age_seconds},
    }


def _of_crew(crew: Crew | None) -> dict[str, dict[tuple[str, ...], float]]:
    if crew is None:
        return {}
    busy = sum(bool(each.facts["busy"]) for each in crew.processes)
    return {
        "gradhouse_queue_messages": {(): crew.messages},
        "gradhouse_workers": {(): len(crew.workers)},
        "gradhouse_worker_age_seconds": {(shown_name(each.name),): each.age_seconds for each in crew.workers},
        "gradhouse_training_processes": {("busy",): busy, ("idle",): len(crew.processes) - busy},
        "gradhouse_training_steps": {(): crew.steps},
        "gradhouse_training_seconds": {(): crew.seconds},
        "gradhouse_tables_cached": {(): sum(each.facts["tables"] for each in crew.processes)},
        "gradhouse_tables_cached_bytes": {(): sum(each.facts["table_bytes"] for each in crew.processes)},
    }
