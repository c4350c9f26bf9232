"""What pages ask before they are shown: is there such a thing, and what will their scripts ask for first?

The addresses are those of dashboard/static, to the letter: a browser test holds the two together.
"""

from urllib.parse import quote

from service.access.gate import NOBODY
from service.api.parts import owner, running
from service.tables import datasets, jobs, models

Addresses = tuple[str, ...]

_API = "/api/v1"
_POINTS = 400
_MOST_ROWS, _MOST_CELLS = 1000, 10_000


def opening_of_job(job_id: str) -> Addresses | None:
    """The first requests of a job's page; None where there is no such job.

    A browser opens pages without a key. Where one is asked for, there might be such a job, and nothing can be
    asked before a script adds the key.
    """
    if owner() == NOBODY:
        return ()
    with running().database.reading() as db:
        job = jobs.find(db, owner(), job_id)
        if job is None:
            return None
        dataset = datasets.find(db, owner(), job.dataset_id)
    here = f"{_API}/jobs/{quote(job.id)}"
    asked = (
        f"{here}/network",
        f"{here}/history?points={_POINTS}",
        f"{here}/checkpoints?format=float64&newest=1",
    )
    if dataset is None:
        return (here, *asked)
    rows = min(_MOST_ROWS, _MOST_CELLS // len(dataset.profile["columns"]) or 1)
    data = f"{_API}/datasets/{dataset.id}"
    return (here, *asked, data, f"{data}/rows?limit={rows}")


def opening_of_model(reference: str) -> Addresses | None:
    """The same of a model's page, which names it by id, name, name@version or name@alias."""
    if owner() == NOBODY:
        return ()
    with running().database.reading() as db:
        if models.find(db, owner(), reference) is None:
            return None
    here = f"{_API}/models/{quote(reference, safe='')}"
    return (f"{here}/network", f"{here}/parameters", here)
