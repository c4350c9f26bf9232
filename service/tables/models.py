"""The trained models: immutable once written. Parameters are bytes here; the engine reads them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.tables.base import Base, Page, database_now, new_id, read_page


class Model(Base):
    """One trained model; a name gathers versions."""

    __tablename__ = "models"
    __table_args__ = (
        UniqueConstraint("owner", "name", "version"),
        Index("ix_models_owner_id", "owner", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(120))
    name: Mapped[str | None] = mapped_column(String(255))
    version: Mapped[int]
    # The job may be deleted, the model stays; unique, so that no job can ever make two.
    job_id: Mapped[str] = mapped_column(String(40), unique=True)
    dataset_id: Mapped[str] = mapped_column(String(40))
    dataset_sha256: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    parameter_count: Mapped[int]
    spec: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any]]
    inputs: Mapped[list[Any]]
    classes: Mapped[list[Any] | None]
    created_at: Mapped[datetime] = mapped_column(insert_default=database_now())


class Parameters(Base):
    """The bytes of a model, apart from its row so that no list can load them."""

    __tablename__ = "model_parameters"

    model_id: Mapped[str] = mapped_column(ForeignKey(Model.id, ondelete="CASCADE"), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ModelName(Base):
    """How many versions a name has had: a deleted version's number never comes back."""

    __tablename__ = "model_names"

    owner: Mapped[str] = mapped_column(String(120), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    last_version: Mapped[int]


def add(db: Session, *, owner: str, name: str | None, parameters: bytes, **facts: Any) -> Model:
    """A new model, the next version of its name; `parameters` are bytes, `facts` the other columns."""
    version = 1 if name is None else _next_version(db, owner, name)
    model = Model(id=new_id("mdl"), owner=owner, name=name, version=version, **facts)
    db.add(model)
    db.flush()
    db.add(Parameters(model_id=model.id, data=parameters))
    db.flush()
    return model


def find(db: Session, owner: str, reference: str) -> Model | None:
    """The owner's model by id, name (its newest version) or name@version; None where there is none."""
    query = select(Model).where(Model.owner == owner)
    by_id = db.scalar(query.where(Model.id == reference))
    if by_id is not None:
        return by_id
    name, at, version = reference.rpartition("@")
    if not at:
        return db.scalar(query.where(Model.name == reference).order_by(Model.version.desc()).limit(1))
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        return None
    return db.scalar(query.where(Model.name == name, Model.version == int(version)))


def parameters(db: Session, model_id: str) -> bytes | None:
    """The bytes of a model, for TrainedModel.from_bytes."""
    return db.scalar(select(Parameters.data).where(Parameters.model_id == model_id))


def page(
    db: Session, owner: str, *, limit: int, after: str | None = None, name: str | None = None
) -> Page[Model]:
    """The owner's models, newest first, without their parameters."""
    query = select(Model).where(Model.owner == owner)
    if name is not None:
        query = query.where(Model.name == name)
    return read_page(db, query, Model.id, limit=limit, after=after)


def rename(db: Session, owner: str, reference: str, name: str) -> Model | None:
    """Gives a model another name, as that name's next version; None where there is no such model."""
    model = find(db, owner, reference)
    if model is not None and model.name != name:
        model.name, model.version = name, _next_version(db, owner, name)
        db.flush()
    return model


def remove(db: Session, owner: str, reference: str) -> bool:
    """Removes a model and its parameters; False where there is none."""
    model = find(db, owner, reference)
    if model is None:
        return False
    db.delete(model)
    db.flush()
    return True


def _next_version(db: Session, owner: str, name: str) -> int:
    # One statement that counts and locks: two jobs that end at once get two numbers.
    insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(ModelName).values(owner=owner, name=name, last_version=1)
    counted = statement.on_conflict_do_update(
        index_elements=["owner", "name"], set_={"last_version": ModelName.last_version + 1}
    ).returning(ModelName.last_version)
    return int(db.execute(counted).scalar_one())
