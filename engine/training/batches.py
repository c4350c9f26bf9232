"""Predictions for whole tables, as lines of CSV or JSON: some rows at a time, so that memory stays small."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from engine.data.columns import checked_table
from engine.data.table import Table
from engine.spec.resolve import class_text
from engine.training.model import TrainedModel

ROWS_AT_ONCE = 8_192
FORMATS = ("csv", "ndjson")


class BatchPrediction:
    """A model's answers for a table, each with the row's cells in the columns `copied`.

    Raises BadData where the table does not fit the model.
    """

    def __init__(
        self, model: TrainedModel, table: Table, output_format: str = "csv", copied: tuple[str, ...] = ()
    ) -> None:
        self._model, self._format = model, output_format
        self._table = checked_table(model.encoding, table, with_target=False)
        self._copied = [table.column(name) for name in copied]

    @property
    def row_count(self) -> int:
        """The rows to predict."""
        return self._table.row_count

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """The output in parts, each with the number of rows done so far; of CSV the header comes first."""
        for start in range(0, self.row_count, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, self.row_count)
            answers = self._answers(start, stop)
            copied = [column.cells(start, stop) for column in self._copied]
            write = self._csv if self._format == "csv" else self._ndjson
            yield stop, write(answers, list(zip(*copied, strict=True)) if copied else None, header=start == 0)

    def _answers(self, start: int, stop: int) -> list[dict[str, Any]]:
        rows = self._table.take(np.arange(start, stop))
        with np.errstate(over="ignore", invalid="ignore"):  # a huge number may become infinite: null then
            return self._model.answers(self._model.scores(self._model.encoding.encode(rows)))

    def _ndjson(self, answers: list[dict[str, Any]], copied: list[Any] | None, *, header: bool) -> bytes:  # noqa: ARG002 - both writers' signature
        names = [column.name for column in self._copied]
        rows = copied or [()] * len(answers)
        lines = ({**dict(zip(names, row, strict=True)), **a} for row, a in zip(rows, answers, strict=True))
        return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)

    def _csv(self, answers: list[dict[str, Any]], copied: list[Any] | None, *, header: bool) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if header:
            writer.writerow([*(column.name for column in self._copied), *self._answer_names()])
        rows = copied or [()] * len(answers)
        writer.writerows([*map(_cell, row), *_flat(a)] for row, a in zip(rows, answers, strict=True))
        return text.getvalue().encode()

    def _answer_names(self) -> list[str]:
        classes = self._model.classes
        if classes is None:
            return ["value"]
        if self._model.probabilities(np.zeros((1, self._model.layers[-1].units))) is None:
            return ["label", *(f"score_{i}" for i in range(self._model.layers[-1].units))]
        return ["label", *(f"probability_{class_text(each)}" for each in classes)]


def _flat(answer: dict[str, Any]) -> list[Any]:
    """An answer as CSV's cells: the value, or the label with its probabilities, or else its scores."""
    if "value" in answer:
        return [answer["value"]]
    numbers = answer["probabilities"].values() if "probabilities" in answer else answer["scores"]
    return [_cell(answer["label"]), *numbers]


def _cell(value: Any) -> Any:
    """As this service reads CSV: true and false in small letters, nothing for what is missing."""
    return class_text(value) if isinstance(value, bool) else value
