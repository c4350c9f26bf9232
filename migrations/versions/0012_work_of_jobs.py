"""A job keeps how much work it was reckoned to be: those behind it are told when they will end."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("work", sa.Double()))


def downgrade() -> None:
    op.drop_column("jobs", "work")
