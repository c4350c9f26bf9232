"""Snapshots as the worker leaves them, whatever comes between."""

from collections.abc import Callable

from engine.training.records.snapshots import Snapshots
from service.tables import snapshots
from service.tables.jobs import Job
from service.worker.bench import Bench
from service.worker.work import work
from tests.training import Workshop


def _taken(workshop: Workshop, job: Job) -> dict[int, str]:
    """The digest of the parameters by epoch."""
    with workshop.database.reading() as db:
        blocks = [Snapshots.from_bytes(each.data) for each in snapshots.read(db, job.id)]
    pairs = [pair for block in blocks for pair in zip(block.epochs, block.digests, strict=True)]
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def test_a_short_job_keeps_every_epoch_and_ends_at_its_model(bench: Bench, workshop: Workshop) -> None:
    job = workshop.add()
    work(bench)
    taken = _taken(workshop, job)
    assert sorted(taken) == list(range(22))
    assert taken[21] == workshop.model(job).sha256


def test_slices_leave_the_snapshots_of_a_straight_run(
    open_bench: Callable[..., Bench], workshop: Workshop
) -> None:
    straight = workshop.add(epochs=1000)
    work(open_bench())
    sliced, other = workshop.add(epochs=1000), workshop.add(epochs=1000)
    bench = open_bench(slice_seconds=0.05, chunk_seconds=0.01, progress_seconds=0.02)
    while work(bench) is not None:
        pass
    expected = _taken(workshop, straight)
    assert _taken(workshop, sliced) == _taken(workshop, other) == expected
    assert len(expected) <= 120
    assert {0, 1, 2, 3, 1000} <= set(expected)


def test_settings_bound_them(open_bench: Callable[..., Bench], workshop: Workshop) -> None:
    job = workshop.add(epochs=500)
    work(open_bench(replay_snapshots=10))
    assert 2 <= len(_taken(workshop, job)) <= 10
    job = workshop.add(epochs=500)
    work(open_bench(replay_bytes=1))
    assert sorted(_taken(workshop, job)) == [0, 500]
