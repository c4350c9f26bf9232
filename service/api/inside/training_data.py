"""The table that a model was trained on, as long as its bytes are kept."""

from engine.data.table import Table
from service.api.parts import owner, running
from service.storage import MissingBytes
from service.tables import datasets, models


def table_of(model_id: str) -> Table | None:
    """The table behind a model; None where its dataset was deleted."""
    with running().database.reading() as db:
        row = models.find(db, owner(), model_id)
        # The bytes outlive a deleted dataset for a while, and may be another's: the row decides.
        dataset = None if row is None else datasets.find(db, owner(), row.dataset_id or "")
    if dataset is None:
        return None
    try:
        return Table.from_parquet(running().storage.read(dataset.sha256))
    except MissingBytes:
        return None
