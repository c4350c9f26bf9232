"""Delimited files: delimiters found, headers read, every problem with its line."""

import io

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.data.reading.delimited import CsvFrames
from engine.data.reading.frames import to_table
from engine.data.reading.options import USUAL_BOUNDS, USUAL_READING
from engine.data.table import Table
from engine.errors import BadData


def read(text: str) -> Table:
    return to_table(CsvFrames(io.BytesIO(text.encode()), USUAL_BOUNDS, USUAL_READING))


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


signs = st.sampled_from(["a", "1", ",", '"', '""', "\n", "\r\n", "\r", " ", '"a,b"', '"a\nb"'])


@settings(max_examples=300, deadline=None)
@given(st.lists(signs, max_size=24), st.integers(1, 3))
def test_what_is_read_quickly_is_what_careful_reading_gives(pieces: list[str], columns: int) -> None:
    header = ",".join(f"c{i}" for i in range(columns))
    text = f"{header}\n{''.join(pieces)}\n"
    assume('"' not in text or text.count('"') % 2 == 0)
    outcomes = []
    for quick in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not quick:
                patch.setattr(CsvFrames, "_quick", lambda self, part: None)
            try:
                outcomes.append(repr(read(text).rows(0, 99)))
            except BadData as refusal:
                outcomes.append(str(refusal))
    assert outcomes[0] == outcomes[1]


def test_a_cell_that_makes_text_of_numbers_is_told_of() -> None:
    (note,) = read("x,y\n" + "1,2\n" * 9 + "0x10,3\n").notes
    assert note == 'column "x" is text: line 11 holds "0x10", and most of its other cells are numbers'
    assert (
        read("x,y\n" + "1,2\n" * 700_000 + "１２,3\n").notes[0].startswith('column "x" is text: line 700002')
    )
    assert read("x,y\na,2\nb,2\n1,3\n").notes == ()


def test_a_million_columns_are_refused_before_their_cells_are_read() -> None:
    with pytest.raises(BadData, match="more than 10,000 columns"):
        read(",".join(f"c{i}" for i in range(1_000_000)) + "\n" + "1," * 1_000_000)
