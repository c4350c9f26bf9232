"""The log of moves becomes one of all events; answers are kept by idempotency key."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    _create_log("events", moves_only=False)
    op.execute(
        "INSERT INTO events (id, job_id, type, at, claim, status, reason)"
        " SELECT id, job_id, 'transition', at, claim, status, reason FROM transitions ORDER BY id"
    )
    _count_on("events")
    op.drop_table("transitions")
    _create_idempotency_keys()


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    _create_log("transitions", moves_only=True)
    op.execute(
        "INSERT INTO transitions (id, job_id, at, claim, status, reason)"
        " SELECT id, job_id, at, claim, status, reason FROM events WHERE type = 'transition' ORDER BY id"
    )
    _count_on("transitions")
    op.drop_table("events")


def _create_log(name: str, *, moves_only: bool) -> None:
    of_events = [
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=True),
    ]
    op.create_table(
        name,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("claim", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=not moves_only),
        sa.Column("reason", sa.String(length=40), nullable=not moves_only),
        *([] if moves_only else of_events),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f(f"fk_{name}_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{name}_job_id_id", name, ["job_id", "id"])


def _count_on(name: str) -> None:
    """New rows must get ids above the copied ones; SQLite counts on by itself."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id))"  # noqa: S608 - a name of ours
            f" FROM {name} HAVING max(id) IS NOT NULL"
        )


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
