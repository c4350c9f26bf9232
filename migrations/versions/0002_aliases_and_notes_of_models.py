"""Aliases, notes and metadata of models; models that no job here has made."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

OF_A_JOB = {"job_id": 40, "dataset_id": 40, "dataset_sha256": 64}


def upgrade() -> None:
    _keep_parameters()
    with op.batch_alter_table("models") as models:
        models.add_column(sa.Column("notes", sa.Text(), nullable=True))
        models.add_column(sa.Column("metadata", sa.JSON(), nullable=True))
        models.add_column(sa.Column("engine_version", sa.String(length=40), nullable=True))
        for name, length in OF_A_JOB.items():
            models.alter_column(name, existing_type=sa.String(length=length), nullable=True)
    _bring_parameters_back()
    op.create_table(
        "model_aliases",
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("alias", sa.String(length=100), nullable=False),
        sa.Column("model_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_model_aliases_model_id_models"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "name", "alias", name=op.f("pk_model_aliases")),
    )
    op.create_index("ix_model_aliases_model_id", "model_aliases", ["model_id"])


def downgrade() -> None:
    op.drop_table("model_aliases")
    op.execute("DELETE FROM models WHERE job_id IS NULL")
    _keep_parameters()
    with op.batch_alter_table("models") as models:
        for name, length in OF_A_JOB.items():
            models.alter_column(name, existing_type=sa.String(length=length), nullable=False)
        for name in ("engine_version", "metadata", "notes"):
            models.drop_column(name)
    _bring_parameters_back()


def _on_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _keep_parameters() -> None:
    """SQLite alters a table by dropping the old one, and its foreign keys delete what hangs on it."""
    if _on_sqlite():
        op.execute("CREATE TEMPORARY TABLE kept_parameters AS SELECT model_id, data FROM model_parameters")


def _bring_parameters_back() -> None:
    if _on_sqlite():
        op.execute("INSERT OR IGNORE INTO model_parameters SELECT model_id, data FROM kept_parameters")
        op.execute("DROP TABLE kept_parameters")
