"""Parts on hosts of their own: cables are pulled, hosts die, and every job ends as if undisturbed."""

import http
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from service.settings import Settings
from service.tables.base import Database
from service.tables.jobs import Job
from service.tables.models import Model
from service.tables.schema import upgrade
from tests.servers import Command, PostgresServer, ValkeyServer, eventually, free_port
from tests.system.conftest import Start
from tests.system.load import Api, listens
from tests.system.network import Host, network, require_namespaces
from tests.system.outcomes import EPOCHS, succeeds
from tests.training import Workshop

pytestmark = pytest.mark.system

HOSTS = ("api", "database", "broker", "first", "second")
# Long enough for a lease to end, and for the sides of a connection to give each other up.
LONG_SECONDS, SHORT_SECONDS = 8.0, 3.0


@dataclass
class Cluster:
    """A service whose parts stand on hosts of their own."""

    hosts: dict[str, Host]
    settings: Settings
    workshop: Workshop
    postgres: PostgresServer
    valkey: ValkeyServer
    start: Start
    parts: dict[str, Command]
    api: Api

    def work_on(self, host: str) -> None:
        """Starts the worker, or the API, of a host."""
        with self.hosts[host].entered():
            if host == "api":
                self.parts[host] = self.start("api", port=self.api.port)
                eventually(lambda: listens(self.api.port), what="the API answers")
            else:
                self.parts[host] = self.start("worker", concurrency=1)

    @contextmanager
    def under_load(self, dataset_id: str) -> Iterator[None]:
        """Small jobs are posted again and again, by somebody on the API's host, until the block is over."""
        with ExitStack() as stack:
            with self.hosts["api"].entered():
                stack.enter_context(self.api.under_load(dataset_id, may_be_away=True))
            yield

    def cut(self, host: str, seconds: float) -> None:
        """Pulls a host's cable for a while."""
        self.hosts[host].unplug()
        threading.Event().wait(seconds)
        self.hosts[host].plug()

    def die(self, host: str, seconds: float) -> None:
        """A host goes without a farewell, and comes back after a while with what was on its disk."""
        self.hosts[host].unplug()
        kill, restart = {
            "database": (self.postgres.crash, self.postgres.restart),
            "broker": (self.valkey.kill, self.valkey.start),
        }.get(host) or (self.parts[host].kill, partial(self.work_on, host))
        kill()
        threading.Event().wait(seconds)
        self.hosts[host].plug()
        with self.hosts[host].entered():
            restart()


@pytest.fixture
def cluster(start: Start, settings: Settings, tmp_path: Path) -> Iterator[Cluster]:
    """API, database, broker and two workers, on five hosts."""
    require_namespaces()
    with network(*HOSTS) as hosts:
        with hosts["database"].entered():
            postgres = PostgresServer(address=hosts["database"].address)
        with hosts["broker"].entered():
            valkey = ValkeyServer(address=hosts["broker"].address)
        postgres.execute("CREATE DATABASE migrated")
        local = Database(postgres.url("migrated"))  # by the server's socket, which no cable leads to
        upgrade(local)
        own = replace(
            settings,
            database_url=f"postgresql+psycopg://postgres@{hosts['database'].address}/migrated",
            broker_url=f"redis://{hosts['broker'].address}:6379/0",
        )
        changes = {name: getattr(own, name) for name in ("database_url", "broker_url")}
        start_there = partial(start, **changes, progress_seconds=0.2, chunk_seconds=0.05)
        parts: dict[str, Command] = {}
        with hosts["api"].entered():
            api = Api(free_port(), None)  # type: ignore[arg-type]  # the cluster starts it
        made = Cluster(hosts, own, Workshop(own, local), postgres, valkey, start_there, parts, api)
        try:
            for host in ("api", "first", "second"):
                made.work_on(host)
            yield made
        finally:
            for part in parts.values():
                part.close()
            local.close()
            valkey.stop()
            postgres.stop()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the cluster brings its own
@pytest.mark.parametrize(
    ("strikes", "seconds"),
    [
        ([(Cluster.cut, "broker"), (Cluster.cut, "database"), (Cluster.die, "first")], SHORT_SECONDS),
        pytest.param(
            [(strike, host) for strike in (Cluster.cut, Cluster.die) for host in HOSTS],
            LONG_SECONDS,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["quick", "all"],
)
def test_cables_pulled_and_hosts_lost_in_turn_cost_no_job(
    cluster: Cluster,
    wanted: str,
    strikes: list[tuple[Callable[[Cluster, str, float], None], str]],
    seconds: float,
) -> None:
    workshop, jobs = cluster.workshop, [cluster.workshop.add(epochs=EPOCHS) for _ in range(2)]
    with cluster.under_load(jobs[0].dataset_id):
        for strike, host in strikes:
            eventually(partial(_anything_runs, workshop), seconds=60, what=f"a job runs for {host} to be hit")
            strike(cluster, host, seconds)
            jobs += [workshop.add(epochs=EPOCHS) for _ in range(2)]
    for job in jobs:
        succeeds(workshop, job, wanted)
    _all_have_succeeded_once(workshop, cluster.api.accepted)
    assert cluster.api.statuses <= {http.HTTPStatus.ACCEPTED, http.HTTPStatus.SERVICE_UNAVAILABLE}


def _anything_runs(workshop: Workshop) -> bool:
    with workshop.database.reading() as db:
        return db.scalar(select(Job.id).where(Job.status == "running", Job.epoch > 0).limit(1)) is not None


def _all_have_succeeded_once(workshop: Workshop, accepted: list[str]) -> None:
    """Also those whose acceptance was lost on its way; each has made one model."""

    def left() -> int:
        with workshop.database.reading() as db:
            return db.scalar(select(func.count()).select_from(Job).where(Job.status != "succeeded")) or 0

    eventually(lambda: not left(), seconds=120, what="every job has succeeded")
    with workshop.database.reading() as db:
        known = set(db.scalars(select(Job.id)))
        assert set(accepted) <= known
        assert sorted(db.scalars(select(Model.job_id))) == sorted(known)  # type: ignore[type-var]  # each has a job
