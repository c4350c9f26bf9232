"""Predictions for whole tables, as lines of CSV or JSON: some rows at a time, so that memory stays small."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl

from engine.data.fitting.columns import checked_table
from engine.data.table import Column, Table
from engine.execution.tally import predicted_classes
from engine.models.model import TrainedModel

ROWS_AT_ONCE = 2**14
FORMATS = ("csv", "ndjson")
# A text that begins so a spreadsheet takes for a formula (OWASP, CSV injection): also with full-width signs.
FORMULA = "^([=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20])"


class BatchPrediction:
    """A model's answers for a table that comes in parts, each with its row's cells of `copied`.

    In CSV texts that a spreadsheet would run as formulas get an apostrophe in front, unless `inert` is False.
    """

    def __init__(
        self,
        model: TrainedModel,
        tables: Iterable[Table],
        output_format: str = "csv",
        copied: tuple[str, ...] = (),
        *,
        inert: bool = True,
    ) -> None:
        self._model, self._tables, self._copied = model, tables, copied
        self._inert = inert
        self._written = self._csv if output_format == "csv" else self._ndjson

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """The output in parts, each with the number of rows done so far; of CSV the header comes first.

        Raises BadData for rows that do not fit the model.
        """
        done = 0
        for table in self._tables:
            checked = checked_table(self._model.encoding, table, with_target=False, first_row=done)
            with np.errstate(over="ignore", invalid="ignore"):  # a huge number may become infinite: null then
                scores = self._model.scores(self._model.encoding.encode(checked))
                written = self._written(table, scores)
            header = b"" if done or self._written != self._csv else self._header()
            done += table.row_count
            yield done, header + written

    def _csv(self, table: Table, scores: Any) -> bytes:
        """Rows of the copied cells and the value, or the label with its probabilities, or else its scores."""
        columns = [_cells(table.column(name)) for name in self._copied]
        columns += self._labels(scores)
        numbers = self._numbers(scores)
        columns += [pl.Series(numbers[:, i]) for i in range(numbers.shape[1])]
        frame = pl.DataFrame([column.alias(str(i)) for i, column in enumerate(columns)])
        if self._inert:
            frame = frame.with_columns(_inert(pl.selectors.string()))
        return _finite(frame).write_csv(include_header=False).encode()

    def _header(self) -> bytes:
        names = pl.Series([*self._copied, *self._answer_names()], dtype=pl.String)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(
            pl.select(_inert(pl.lit(names))).to_series() if self._inert else names
        )
        return text.getvalue().encode()

    def _answer_names(self) -> list[str]:
        if self._model.classes is None:
            return ["value"]
        outputs = self._model.layers[-1].units
        if self._model.probabilities(np.zeros((1, outputs))) is None:
            return ["label", *(f"score_{i}" for i in range(outputs))]
        return ["label", *(f"probability_{name}" for name in self._model.class_names)]

    def _ndjson(self, table: Table, scores: Any) -> bytes:
        """Objects of the copied cells and the members that a single prediction has."""
        members = {name: _cells(table.column(name)) for name in self._copied}
        if self._model.classes is None:
            members["value"] = pl.Series(self._numbers(scores)[:, 0])
        else:
            members["label"] = self._labels(scores)[0]
            members["scores"] = _finite(pl.DataFrame(scores)).select(pl.concat_list("*")).to_series()
            probabilities = self._model.probabilities(scores)
            if probabilities is not None:
                frame = pl.DataFrame(probabilities, schema=self._model.class_names)
                members["probabilities"] = _finite(frame).to_struct()
        return _finite(pl.DataFrame(members)).write_ndjson().encode()

    def _labels(self, scores: Any) -> list[pl.Series]:
        """The class of each row; none of a regression."""
        if self._model.classes is None:
            return []
        positions = predicted_classes(scores).astype(np.int64)
        return [pl.Series(self._model.classes).gather(positions)]

    def _numbers(self, scores: Any) -> Any:
        """(rows, numbers): the value in the target's unit, probabilities, or scores."""
        if self._model.classes is None:
            target = self._model.encoding.target
            return scores * target.scale + target.offset
        probabilities = self._model.probabilities(scores)
        return scores if probabilities is None else probabilities


def _cells(column: Column) -> pl.Series:
    """As this service reads them: numbers that are whole without a point."""
    cells = column.series()
    return cells.cast(pl.Int64) if column.type == "number" and column.is_integer else cells


def _inert(texts: pl.Expr) -> pl.Expr:
    """The texts, with an apostrophe in front of what a spreadsheet would run."""
    return texts.str.replace(FORMULA, "'${1}")


def _finite(frame: pl.DataFrame) -> pl.DataFrame:
    """Nothing where a number is none."""
    numbers = pl.selectors.float()
    return frame.with_columns(pl.when(numbers.is_finite()).then(numbers))
