"""`gradhouse prune`: forgets what nobody can ask for any more, and what is too old to be asked for."""

from functools import partial

from service.settings import Settings
from service.storage import Storage, open_storage
from service.tables import datasets, retention, schema
from service.tables.base import Database
from service.tables.retention import OLD_JOBS, RULES, Rule

DAY_SECONDS = 86_400.0
YOUNG_SECONDS = DAY_SECONDS  # a file may be older than its row, but never by a day


def run(settings: Settings, *, days: float, with_jobs: bool, dry: bool) -> dict[str, int]:
    """Removes, or with `dry` counts, what is old; the numbers by what it was. Safe while the service runs."""
    database = Database(settings.database, pool_size=1)
    schema.require_current(database)
    storage = open_storage(settings)
    rules = (*RULES, OLD_JOBS) if with_jobs else RULES
    rows = {rule.name: _apply(database, rule, days * DAY_SECONDS, dry=dry) for rule in rules}
    rows["outputs of jobs that are gone"] = _outputs(database, storage, dry=dry)
    rows["bytes that no dataset uses"] = _orphans(database, storage, settings, dry=dry)
    database.close()
    return rows


def _apply(database: Database, rule: Rule, age_seconds: float, *, dry: bool) -> int:
    if dry:
        with database.reading() as db:
            return retention.count(db, rule, age_seconds)
    total = 0
    while some := database.persist(partial(retention.remove, rule=rule, age_seconds=age_seconds)):
        total += some
    return total


def _outputs(database: Database, storage: Storage, *, dry: bool) -> int:
    old = list(storage.outputs.old(YOUNG_SECONDS))
    with database.reading() as db:
        known = retention.known(db, old)
    gone = [job_id for job_id in old if job_id not in known]
    for job_id in [] if dry else gone:
        storage.outputs.delete(job_id)
    return len(gone)


def _orphans(database: Database, storage: Storage, settings: Settings, *, dry: bool) -> int:
    def is_used(digest: str) -> bool:
        with database.reading() as db:
            return datasets.in_use(db, digest)

    key, age = settings.database_key, settings.orphan_seconds
    return storage.remove_orphans(is_used, user=key, older_than_seconds=age, dry=dry)
