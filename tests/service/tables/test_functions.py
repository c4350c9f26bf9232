"""What both databases say in words of their own."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import literal, select, union_all

from service.tables.base import Database
from service.tables.datasets import Dataset
from service.tables.functions import Instant, database_now, greatest, json_rows
from tests.service.tables.rows import add_dataset


def test_a_moment_comes_back_to_the_microsecond(database: Database) -> None:
    moment = datetime(2026, 11, 23, 5, 4, 3, 210_987, tzinfo=UTC)
    with database.session() as db:
        dataset = add_dataset(db)
    with database.session() as db:
        db.get_one(Dataset, dataset.id).created_at = moment
    with database.reading() as db:
        assert db.get_one(Dataset, dataset.id).created_at == moment


def test_the_databases_clock_is_this_moment_and_takes_seconds(database: Database) -> None:
    with database.reading() as db:
        now = db.scalar(select(database_now()))
        later = db.scalar(select((database_now() + 60.0).cast(Instant)))
    assert now is not None
    assert later is not None
    assert abs((datetime.now(UTC) - now).total_seconds()) < 2
    assert 59 < (later - now).total_seconds() < 62


@pytest.mark.parametrize("numbers", [(3, 7), (7, 3), (-2, -1, -5)])
def test_the_greatest_is_the_same_for_both(database: Database, numbers: tuple[int, ...]) -> None:
    with database.reading() as db:
        assert db.scalar(select(greatest(*map(literal, numbers)))) == max(numbers)


def test_rows_come_as_lists_in_one_value(database: Database) -> None:
    rows = [select(literal(a).label("a"), literal(b).label("b")) for a, b in ((1, 2), (3, 4))]
    pair = union_all(*rows).subquery()
    with database.reading() as db:
        assert db.scalar(select(json_rows(pair.c.a, pair.c.b))) == [[1, 2], [3, 4]]
        assert not db.scalar(select(json_rows(pair.c.a, pair.c.b)).where(pair.c.a > 5))
