"""A poll of a job that has run for hours finds its moves without reading all its progress."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

MOVES = sa.text("type = 'transition'")


def upgrade() -> None:
    op.create_index("ix_events_moves", "events", ["job_id", "id"], sqlite_where=MOVES, postgresql_where=MOVES)


def downgrade() -> None:
    op.drop_index("ix_events_moves", "events")
