"""The index of open jobs tells them by their end: PostgreSQL took that by status for the queue, sorting."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    _index("finished_at IS NULL")


def downgrade() -> None:
    _index("status IN ('queued', 'running')")


def _index(condition: str) -> None:
    op.drop_index("ix_jobs_open_dataset_id", "jobs")
    rows = sa.text(condition)
    op.create_index(
        "ix_jobs_open_dataset_id", "jobs", ["dataset_id"], sqlite_where=rows, postgresql_where=rows
    )
