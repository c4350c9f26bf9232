"""Jobs for the tests that train: the seed's own, and one that takes a while."""

from typing import Any

from sqlalchemy import update

from engine.data.samples import make_sample
from engine.spec import parse_spec
from engine.training.records.history import HistoryBlock
from service.settings import Settings
from service.storage import FolderStorage
from service.tables import datasets, history, models, queue
from service.tables.base import Database
from service.tables.datasets import Dataset
from service.tables.jobs import Job
from service.tables.models import Model
from tests.engine.trainings import SEED_DOCUMENT

MOONS = {"n_samples": 100, "noise": 0.1, "random_state": 1337, "labels": [-1, 1]}

SEED_JOB = {**SEED_DOCUMENT, "model": {**SEED_DOCUMENT["model"], "name": "moons"}}
LONG_JOB = {**SEED_JOB, "training": {**SEED_JOB["training"], "epochs": 1_000_000}}


class Workshop:
    """Puts jobs on the moons straight into the tables, and looks at what has become of them."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self.database = settings, database
        self._table = make_sample("moons", MOONS)

    def add(self, body: dict[str, Any] = SEED_JOB, **training: Any) -> Job:
        """A queued job, kept to the array executor: how long it takes then depends on nothing else."""
        document = {**body, "training": {**body["training"], **training}}
        spec = parse_spec(document, self._table.profile(), self._settings.engine_limits()).to_document()
        dataset = self.dataset()
        with self.database.session() as db:
            job = queue.add(db, owner="local", dataset_id=dataset.id, spec=spec)
            db.execute(update(Job).where(Job.id == job.id).values(executor="arrays"))
            return job

    def dataset(self, owner: str = "local") -> Dataset:
        """The moons, as a dataset of the owner's."""
        data, profile = self._table.to_parquet(), self._table.profile().to_document()
        digest = FolderStorage(self._settings.datasets_dir).put(data)
        with self.database.session() as db:
            return datasets.add(db, owner=owner, name="moons", profile=profile, sha256=digest, size=len(data))

    def job(self, job: Job) -> Job:
        """The job as it is now."""
        with self.database.reading() as db:
            return db.get_one(Job, job.id)

    def status(self, job: Job) -> str:
        """The job's status now."""
        return self.job(job).status

    def has_begun(self, job: Job) -> bool:
        """Says whether the job has saved progress."""
        return self.job(job).epoch > 0

    def model(self, job: Job) -> Model:
        """The job's model, which must be there."""
        with self.database.reading() as db:
            model = models.find(db, "local", str(db.get_one(Job, job.id).model_id))
        assert model is not None, self.job(job).error
        return model

    def rows(self, job: Job) -> list[dict[str, Any]]:
        """The job's whole history."""
        with self.database.reading() as db:
            blocks = [HistoryBlock.from_bytes(each.data) for each in history.read(db, job.id)]
        return [row for block in blocks for row in block.rows()]
