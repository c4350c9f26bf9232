"""What must come out of a job, whatever was done to its processes."""

from pathlib import Path

from service.broker import Broker
from service.settings import Settings
from service.tables.jobs import Job
from tests.servers import eventually
from tests.training import Workshop

EPOCHS = 6000


def send(settings: Settings, *ids: str) -> None:
    """Wakes a worker for each of the jobs."""
    broker = Broker(settings)
    for job_id in ids:
        assert broker.send(job_id)
    broker.close()


def has_begun(workshop: Workshop, job: Job) -> None:
    """Waits until the job has saved progress."""
    eventually(lambda: workshop.has_begun(job), what="the job has progress")


def succeeds(workshop: Workshop, job: Job, wanted: str, *, epochs: int = EPOCHS) -> Job:
    """Waits for the job's end, which must be that of an undisturbed run, each row of the history once."""
    eventually(lambda: workshop.job(job).done, seconds=120, what="the job is done")
    done = workshop.job(job)
    assert done.status == "succeeded", done.error
    assert workshop.model(job).sha256 == wanted
    assert [row["epoch"] for row in workshop.rows(job)] == list(range(1, epochs + 1))
    return done


def children(pid: int, *, sweeper: bool) -> list[int]:
    """The living processes that a worker has started: its sweeper, or the others."""
    found = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [each for each in found if (words := _words(each)) and (b"sweeper" in words) is sweeper]


def _words(pid: int) -> bytes:
    """The command line of a process; nothing for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def holder(workshop: Workshop, job: Job) -> int:
    """The process that trains the job."""
    return int(str(workshop.job(job).worker).split(":")[-2])
