"""The trained models: immutable once written. Parameters are bytes here; the engine reads them."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version as version_of
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    Insert,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.tables.base import Base, Page, new_id, read_page, table_of
from service.tables.functions import database_now
from service.tables.plain import Source, Whole, execute


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
    # The job may be deleted, the model stays; unique, so that no job can ever make two. A model that was
    # brought in from elsewhere has none, and no dataset.
    job_id: Mapped[str | None] = mapped_column(String(40), unique=True)
    dataset_id: Mapped[str | None] = mapped_column(String(40))
    dataset_sha256: Mapped[str | None] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    parameter_count: Mapped[int]
    spec: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any]]
    inputs: Mapped[list[Any]]
    classes: Mapped[list[Any] | None]
    notes: Mapped[str | None] = mapped_column(Text)
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    engine_version: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(insert_default=database_now())


class Parameters(Base):
    """The bytes of a model, apart from its row so that no list can load them."""

    __tablename__ = "model_parameters"

    model_id: Mapped[str] = mapped_column(ForeignKey(Model.id, ondelete="CASCADE"), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ModelAlias(Base):
    """A word that stands for one version of a name, and may be moved to another."""

    __tablename__ = "model_aliases"

    owner: Mapped[str] = mapped_column(String(120), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    alias: Mapped[str] = mapped_column(String(100), primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey(Model.id, ondelete="CASCADE"), index=True)


class ModelName(Base):
    """How many versions a name has had: a deleted version's number never comes back."""

    __tablename__ = "model_names"

    owner: Mapped[str] = mapped_column(String(120), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    last_version: Mapped[int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which models a list shows; `metric` is one of a split, such as ("validation", "accuracy")."""

    name: str | None = None
    dataset_id: str | None = None
    metric: tuple[str, str] | None = None
    least: float | None = None
    most: float | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL has it; a model without the metric is not shown."""
        found = []
        if self.name is not None:
            found.append(Model.name == self.name)
        if self.dataset_id is not None:
            found.append(Model.dataset_id == self.dataset_id)
        if self.metric is not None:
            measured = Model.metrics[self.metric].as_float()
            found.append(measured.is_not(None))
            if self.least is not None:
                found.append(measured >= self.least)
            if self.most is not None:
                found.append(measured <= self.most)
        return found


@cache
def _engine_version() -> str:
    return version_of("gradhouse")


def add(db: Session, *, owner: str, name: str | None, parameters: bytes, **facts: Any) -> Model:
    """A new model, the next version of its name; `parameters` are bytes, `facts` the other columns."""
    version = 1 if name is None else _next_version(db, owner, name)
    facts = {"engine_version": _engine_version(), **facts}
    model = Model(id=new_id("mdl"), owner=owner, name=name, version=version, **facts)
    db.add(model)
    db.flush()
    db.add(Parameters(model_id=model.id, data=parameters))
    db.flush()
    return model


def add_all(db: Session, rows: Sequence[dict[str, Any]]) -> list[str]:
    """New models in few statements, as `add` adds one; their ids."""
    named = Counter((row["owner"], row["name"]) for row in rows if row["name"] is not None)
    # In one order: two who count up the same names must not wait for one another.
    last = {key: _next_version(db, *key, count=named[key]) for key in sorted(named)}
    versions = {key: itertools.count(last[key] - named[key] + 1) for key in named}
    ids = [new_id("mdl") for _ in rows]
    facts = [
        {
            "id": model_id,
            "version": next(versions.get((row["owner"], row["name"]), itertools.repeat(1))),
            "engine_version": _engine_version(),
            **row,
        }
        for model_id, row in zip(ids, rows, strict=True)
    ]
    data = [fact.pop("parameters") for fact in facts]
    execute(db, _INSERT, facts)
    pairs = zip(ids, data, strict=True)
    execute(db, _INSERT_PARAMETERS, [{"model_id": model_id, "data": each} for model_id, each in pairs])
    return ids


_INSERT, _INSERT_PARAMETERS = insert(table_of(Model)), insert(table_of(Parameters))


def find(db: Session, owner: str, reference: str) -> Model | None:
    """The owner's model by id, name (its newest version), name@version or name@alias; None if none."""
    query = select(Model).where(Model.owner == owner)
    by_id = db.scalar(query.where(Model.id == reference))
    if by_id is not None:
        return by_id
    name, at, version = reference.rpartition("@")
    if not at:
        return db.scalar(query.where(Model.name == reference).order_by(Model.version.desc()).limit(1))
    if not (version.isascii() and version.isdigit()):
        aliased = _alias(owner, name, version)
        return db.scalar(query.join(ModelAlias, ModelAlias.model_id == Model.id).where(*aliased))
    if len(version) > 9:
        return None
    return db.scalar(query.where(Model.name == name, Model.version == int(version)))


def parameters(db: Session, model_id: str) -> bytes | None:
    """The bytes of a model, for TrainedModel.from_bytes."""
    return db.scalar(select(Parameters.data).where(Parameters.model_id == model_id))


def page(
    db: Source, owner: str, *, limit: int, after: str | None = None, wanted: Wanted | None = None
) -> Page[Model]:
    """The owner's models, newest first, to be read, without their parameters."""
    query = select(*_MODEL.columns).where(Model.owner == owner, *(wanted or Wanted()).conditions())
    return read_page(db, _MODEL, query, limit=limit, after=after)


_MODEL = Whole(Model)


def change(
    db: Session, owner: str, reference: str, *, name: str | None = None, **values: Any
) -> Model | None:
    """Gives a model other notes or metadata, or a name, as its next version; None if there is no such model.

    The aliases of the old name go with it.
    """
    model = find(db, owner, reference)
    if model is None:
        return None
    for member, value in values.items():
        setattr(model, member, value)
    if name is not None and model.name != name:
        db.execute(delete(ModelAlias).where(ModelAlias.model_id == model.id))
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


def put_alias(db: Session, owner: str, name: str, alias: str, model_id: str) -> bool:
    """Points an alias at a model in one statement; True where the alias is new."""
    known = db.scalar(select(ModelAlias.model_id).where(*_alias(owner, name, alias)))
    statement = _insert(db, ModelAlias).values(owner=owner, name=name, alias=alias, model_id=model_id)
    statement = statement.on_conflict_do_update(
        index_elements=["owner", "name", "alias"], set_={"model_id": model_id}
    )
    db.execute(statement)
    return known is None


def remove_alias(db: Session, owner: str, name: str, alias: str) -> bool:
    """Removes an alias, not its model; False where there is none."""
    gone = db.execute(delete(ModelAlias).where(*_alias(owner, name, alias)).returning(ModelAlias.alias))
    return gone.first() is not None


def aliases(db: Session, model_ids: Sequence[str]) -> dict[str, list[str]]:
    """The aliases of each of the models that has any, in order."""
    query = select(ModelAlias.model_id, ModelAlias.alias).where(ModelAlias.model_id.in_(model_ids))
    found: dict[str, list[str]] = {}
    for model_id, alias in db.execute(query.order_by(ModelAlias.alias)):
        found.setdefault(model_id, []).append(alias)
    return found


def _alias(owner: str, name: str, alias: str) -> tuple[ColumnElement[bool], ...]:
    return ModelAlias.owner == owner, ModelAlias.name == name, ModelAlias.alias == alias


def _next_version(db: Session, owner: str, name: str, *, count: int = 1) -> int:
    """The last of the name's next `count` versions."""
    # One statement that counts and locks: two jobs that end at once get two numbers.
    statement = _insert(db, ModelName).values(owner=owner, name=name, last_version=count)
    counted = statement.on_conflict_do_update(
        index_elements=["owner", "name"], set_={"last_version": ModelName.last_version + count}
    ).returning(ModelName.last_version)
    return int(db.execute(counted).scalar_one())


def _insert(db: Session, table: type[Base]) -> Any:
    """An INSERT that knows ON CONFLICT: each database has its own."""
    on_postgresql = db.get_bind().dialect.name == "postgresql"
    statement: Insert = postgresql.insert(table) if on_postgresql else sqlite.insert(table)
    return statement
