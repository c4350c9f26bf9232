"""A cross-validation as a job: in slices or in one go, the same model and one history."""

from dataclasses import replace

from service.settings import Settings
from service.tables.base import Database
from service.worker.bench import Bench, SharedFlag
from service.worker.work import work
from tests.training import SEED_JOB, Workshop

FOLDS = {**SEED_JOB, "split": {"folds": 3}}


def test_folds_in_slices_give_the_bits_of_folds_in_one_go(settings: Settings, database: Database) -> None:
    workshop = Workshop(settings, database)
    whole, sliced, other = workshop.add(FOLDS), workshop.add(FOLDS), workshop.add(FOLDS)
    assert whole.epochs == 84
    quick = replace(settings, slice_seconds=0.05, chunk_seconds=0.001)
    for each in (settings, quick):
        bench = Bench.open(each, SharedFlag())
        while work(bench) is not None and workshop.status(whole) != "succeeded":
            pass
        bench.close()
    bench = Bench.open(quick, SharedFlag())
    while work(bench) is not None:
        pass
    bench.close()
    models = [workshop.model(job) for job in (whole, sliced, other)]
    assert len({model.sha256 for model in models}) == 1
    assert [row["epoch"] for row in workshop.rows(sliced)] == list(range(1, 85))
    assert [row["fold"] for row in workshop.rows(sliced)][::21] == [1.0, 2.0, 3.0, 0.0]
    folds = models[0].metrics["folds"]
    assert len(folds) == 3
    assert models[0].metrics["validation"]["accuracy"] == sum(f["validation"]["accuracy"] for f in folds) / 3
