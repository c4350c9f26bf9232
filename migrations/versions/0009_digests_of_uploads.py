"""A dataset keeps the digest of the bytes that were sent, beside that of the bytes that are stored."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("source_sha256", sa.String(64)))


def downgrade() -> None:
    op.drop_column("datasets", "source_sha256")
