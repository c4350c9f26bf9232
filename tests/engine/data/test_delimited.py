"""Delimited files: delimiters found, headers read, every problem with its line."""

import io

import pytest

from engine.data.delimited import read_csv
from engine.data.reading import USUAL_BOUNDS, USUAL_READING
from engine.data.table import Table
from engine.errors import BadData


def read(text: str) -> Table:
    return read_csv(io.BytesIO(text.encode()), USUAL_BOUNDS, USUAL_READING)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_read_off_the_header(delimiter: str) -> None:
    table = read(f'a{delimiter}"b,;|"{delimiter}c\n1{delimiter}x{delimiter}2\n')
    assert table.names == ("a", "b,;|", "c")
    assert table.rows(0, 1) == [[1, "x", 2]]


def test_a_header_may_run_over_lines() -> None:
    table = read('\n\n"a\nb",c\n1,2\n')
    assert table.names == ("a\nb", "c")
    with pytest.raises(BadData, match="line 6 has 1 cells"):
        read('\n\n"a\nb",c\n1,2\n3\n')


def test_lines_are_counted_through_quoted_cells_blank_lines_and_parts() -> None:
    text = "x,y\n" + '"a\nb",1\n\n' * 200_000 + "c,inf\n"
    with pytest.raises(BadData, match='line 600002, column "y": "inf" is not a finite number'):
        read(text)


def test_formulas_are_told_of_by_column() -> None:
    assert read("x,y\n=A1,1\nb,2\n").notes == (
        'column "x" holds what looks like formulas; they were read as text',
    )
