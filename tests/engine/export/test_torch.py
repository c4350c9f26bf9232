"""The documented lines load safetensors in PyTorch: run as the page has them, they give the model's scores.

PyTorch belongs to the bench extra; where it is missing this test is skipped, and says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.samples import make_sample
from engine.export.formats import export
from engine.models.rows import RowReader
from engine.training.trainer import Trainer
from tests.engine.trainings import run, spec_for

torch = pytest.importorskip("torch", reason="the reader is PyTorch: pip install gradhouse[bench]")

pytestmark = pytest.mark.bench

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "take-a-model-away.md"


def test_the_documented_lines_load_a_network_with_the_models_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    table = make_sample("moons", {})
    layers = {"hidden_layers": [{"units": 16, "activation": "tanh"}]}
    trainer = Trainer(spec_for(table, target="y", model=layers, training={"epochs": 12}), table)
    run(trainer)
    model = trainer.result().model
    (tmp_path / "moons-1.safetensors").write_bytes(export(model, "safetensors"))
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {"torch": torch, "safetensors": safetensors}
    exec(documented_lines(), known)
    reader = RowReader(model.inputs)
    encoded = reader.encode(reader.read([[0.5, -0.2], [1.5, 0.9], [-0.7, 0.1]]))
    scores = known["network"](torch.from_numpy(encoded)).detach().numpy()
    np.testing.assert_allclose(scores, model.scores(encoded), rtol=1e-12, atol=1e-12)


def documented_lines() -> str:
    """The three lines of the page's section on PyTorch."""
    section = PAGE.read_text(encoding="utf-8").split("## The parameters in PyTorch")[1]
    lines = section.split("```text\n")[1].split("```")[0]
    assert len(lines.splitlines()) == 3
    return lines
