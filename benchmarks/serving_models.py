"""The networks that the servers of a benchmark load: ours and scikit-learn's, of one shape on one table."""

from __future__ import annotations

import pickle
import timeit
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from engine.data.samples import make_sample
from engine.export.formats import export
from engine.models.model import TrainedModel
from engine.spec import parse_spec
from engine.training.trainer import Trainer
from service.tables import models
from service.tables.base import LOCAL_OWNER, Database
from service.tables.schema import upgrade


def keep_models(folder: Path) -> np.ndarray:
    """Trains a network for everyone and puts it where each server finds it; the table's rows."""
    table = make_sample("breast_cancer", {})
    spec = parse_spec(
        {
            "target": table.names[-1],
            "model": {"name": "bench", "hidden_layers": [16, 16]},
            "training": {"epochs": 20},
        },
        table.profile(),
    )
    trainer = Trainer(spec, table)
    for _ in trainer.blocks():
        pass
    _keep_ours(folder, trainer.result().model)
    rows = np.array([row[:-1] for row in table.rows(0, table.row_count)], dtype=np.float64)
    _keep_sklearn(folder, rows, table.column(table.names[-1]).values)
    return rows


def _keep_ours(folder: Path, model: TrainedModel) -> None:
    (folder / "model.onnx").write_bytes(export(model, "onnx"))
    (folder / "model.safetensors").write_bytes(model.to_bytes())
    database = Database(f"sqlite:///{folder / 'gradhouse.db'}")
    upgrade(database)
    facts: dict[str, Any] = {"sha256": model.sha256, "parameter_count": model.parameter_count, "metrics": {}}
    facts |= {"spec": model.spec.to_document(), "inputs": [], "classes": list(model.classes or ())}
    with database.session() as db:
        models.add(db, owner=LOCAL_OWNER, name="bench", parameters=model.to_bytes(), **facts)
    database.close()


def _keep_sklearn(folder: Path, rows: np.ndarray, labels: Any) -> None:
    network = make_pipeline(StandardScaler(), MLPClassifier((16, 16), activation="tanh", max_iter=20))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.fit(rows, labels)
    (folder / "sklearn.pickle").write_bytes(pickle.dumps(network))


def row_kernel_seconds(folder: Path, rows: np.ndarray) -> float:
    """What the compiled network alone takes for a row, among 10,000."""
    model = TrainedModel.from_bytes((folder / "model.safetensors").read_bytes())
    many = np.resize(rows, (10_000, rows.shape[1]))
    return min(timeit.repeat(lambda: model.scores(many), number=5, repeat=9)) / 5 / len(many)
