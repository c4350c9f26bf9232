"""The index of the queue names owners: who claims walks past the jobs of full owners without reading them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

ORDER = ["priority", "turn", "id"]
QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    _index([*ORDER, "owner"])


def downgrade() -> None:
    _index(ORDER)


def _index(columns: list[str]) -> None:
    op.drop_index("ix_jobs_queued", "jobs")
    op.create_index("ix_jobs_queued", "jobs", columns, sqlite_where=QUEUED, postgresql_where=QUEUED)
