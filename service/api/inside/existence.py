"""Whether an id names something of this request's owner: the pages ask, which know no tables."""

from service.access.gate import NOBODY
from service.api.parts import owner, running
from service.tables import jobs, models


def job_exists(job_id: str) -> bool:
    """Says whether there is such a job; to a browser, which opens pages without a key, there might be."""
    if owner() == NOBODY:
        return True
    with running().database.reading() as db:
        return jobs.find(db, owner(), job_id) is not None


def model_exists(reference: str) -> bool:
    """The same for a model, by id, name, name@version or name@alias."""
    if owner() == NOBODY:
        return True
    with running().database.reading() as db:
        return models.find(db, owner(), reference) is not None
