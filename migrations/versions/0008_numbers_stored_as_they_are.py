"""Numbers are stored as they are: PostgreSQL took four times as long to compress them by a third."""

from collections.abc import Sequence

from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

PACKED = ("history_blocks", "checkpoints", "snapshots", "model_parameters")


def upgrade() -> None:
    _store("EXTERNAL")


def downgrade() -> None:
    _store("EXTENDED")


def _store(how: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in PACKED:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN data SET STORAGE {how}")
