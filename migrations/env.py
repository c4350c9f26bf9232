"""Runs the migrations on the connection of service.tables.schema, or on the one of `alembic -x url=…`."""

from alembic import context
from sqlalchemy import Connection, create_engine

from service.tables.schema import METADATA


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    _run(handed_over)
else:
    with create_engine(context.get_x_argument(as_dictionary=True)["url"]).begin() as opened:
        _run(opened)
