"""What both databases say in words of their own: moments, this moment, rows as JSON, the greatest of some."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Dialect, Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine


class Instant(TypeDecorator[datetime]):
    """A moment: seconds since 1970 in the database, for both count leases alike so; aware UTC in Python."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> float | None:  # noqa: ARG002 - the base's signature
        return None if value is None else value.timestamp()

    def process_result_value(self, value: float | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base's signature
        return None if value is None else datetime.fromtimestamp(value, UTC)

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:  # noqa: ARG002 - the base's signature
        return self if isinstance(value, datetime) else Double()


class database_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function that it is
    """This moment by the database's own clock: leases must not depend on the clocks of many hosts."""

    type = Instant()
    inherit_cache = True
    name = "database_now"


@compiles(database_now, "postgresql")
def _now_postgresql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return "(extract(epoch from clock_timestamp())::float8)"


@compiles(database_now, "sqlite")
def _now_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


class json_rows(FunctionElement[list[Any]]):  # noqa: N801 - reads as the SQL function that it is
    """The rows of a query as one JSON value, a list of lists; NULL or an empty list where there are none."""

    type = JSON()
    inherit_cache = True
    name = "json_rows"


@compiles(json_rows, "postgresql")
def _rows_postgresql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_agg(json_build_array({compiler.process(element.clauses, **options)}))"


@compiles(json_rows, "sqlite")
def _rows_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **options)}))"


class greatest(FunctionElement[Any]):  # noqa: N801 - reads as the SQL function that it is
    """The greatest of some values, none of which may be NULL: the databases do not agree about those."""

    inherit_cache = True
    name = "greatest"


@compiles(greatest, "postgresql")
def _greatest_postgresql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **options)})"


@compiles(greatest, "sqlite")
def _greatest_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"max({compiler.process(element.clauses, **options)})"
