"""Files and JSON, good and bad: what is understood, and which cell is blamed."""

import io
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.reading.formats import MEDIA_TYPES, read_table, table_from_records, table_from_rows
from engine.data.reading.options import Bounds
from engine.data.table import Table
from engine.errors import BadData, Problem
from engine.registry import UnknownName

CSV, JSON, NDJSON, PARQUET, ARROW, ARROW_STREAM = MEDIA_TYPES
PLAIN = "x,flag,name,y\n1,true,ann,0.5\n-2.5,FALSE,bob,\n3e2,True,ann,1\n"
PLAIN_ROWS = [[1.0, True, "ann", 0.5], [-2.5, False, "bob", None], [300.0, True, "ann", 1.0]]


def csv(text: str | bytes, bounds: Bounds | None = None) -> Table:
    return read_table(text.encode() if isinstance(text, str) else text, CSV, bounds or Bounds())


def rows(table: Table) -> list[list[Any]]:
    return table.rows(0, table.row_count)


def problems(
    data: str | bytes | list[Any] | dict[str, Any], media_type: str = CSV, **bounds: int
) -> list[Problem]:
    if isinstance(data, list | dict):
        data = json.dumps(data)
    with pytest.raises(BadData) as refusal:
        read_table(data.encode() if isinstance(data, str) else data, media_type, Bounds(**bounds))
    return list(refusal.value.problems)


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def test_the_media_types_are_those_of_the_contract() -> None:
    assert MEDIA_TYPES == (
        "text/csv",
        "application/json",
        "application/x-ndjson",
        "application/vnd.apache.parquet",
        "application/vnd.apache.arrow.file",
        "application/vnd.apache.arrow.stream",
    )
    with pytest.raises(UnknownName):
        read_table(b"", "text/html")


class TestCsv:
    @pytest.mark.parametrize(
        "text",
        [
            PLAIN,
            "\ufeff" + PLAIN,
            PLAIN.replace(",", ";"),
            PLAIN.replace(",", "\t"),
            PLAIN.replace(",", "|"),
            PLAIN.replace("\n", "\r\n"),
            PLAIN.replace("\n", "\r"),
            PLAIN.rstrip("\n"),
            PLAIN.replace("\n", "\n\n"),
            "\n\n" + PLAIN,
            PLAIN.replace(",", " , "),
            '"x","flag","name","y"\n"1","true","ann","0.5"\n"-2.5","FALSE","bob",""\n3e2,True,"ann",1\n',
        ],
        ids=[
            "plain",
            "bom",
            "semicolon",
            "tab",
            "bar",
            "crlf",
            "cr",
            "no end",
            "blank",
            "late",
            "space",
            "quoted",
        ],
    )
    def test_every_dialect_is_read_alike(self, text: str) -> None:
        table = csv(text)
        assert table.names == ("x", "flag", "name", "y")
        assert [column.type for column in table.columns] == ["number", "boolean", "category", "number"]
        assert rows(table) == PLAIN_ROWS

    def test_quotes_keep_delimiters_quotes_and_line_ends(self) -> None:
        table = csv('name,x\n"a,b",1\n"say ""hi""",2\n"two\nlines",3\n')
        assert rows(table) == [["a,b", 1], ['say "hi"', 2], ["two\nlines", 3]]

    def test_a_quoted_header_does_not_decide_the_delimiter(self) -> None:
        assert csv('"a;b;c",d\n1,2\n').names == ("a;b;c", "d")

    def test_latin_1_is_read_with_a_warning(self) -> None:
        table = csv("stadt,x\nKöln,1\nBüren,2\n".encode("latin-1"))
        assert rows(table) == [["Köln", 1], ["Büren", 2]]
        assert any("latin-1" in warning for warning in table.profile().warnings)
        assert not csv("stadt,x\nKöln,1\nKöln,2\nBern,2\n").profile().warnings

    @pytest.mark.parametrize("data", [b"", b"\n\n", b"   ", b"\xef\xbb\xbf"])
    def test_an_empty_file_is_refused(self, data: bytes) -> None:
        (problem,) = problems(data)
        assert problem.code == "empty"
        assert "header line" in problem.hint

    def test_a_header_alone_is_refused(self) -> None:
        (problem,) = problems("x,y\n")
        assert problem.code == "no_rows"

    def test_ragged_rows_are_named_by_line(self) -> None:
        found = problems('x,y\n1,2\n3\n"a\nb",5\n6,7,8\n')
        assert [p.code for p in found] == ["ragged_row", "ragged_row"]
        assert found[0].detail == "line 3 has 1 cells, the header has 2"
        assert found[1].detail == "line 6 has 3 cells, the header has 2"

    def test_names_must_be_there_and_differ(self) -> None:
        found = problems("x,,x, \n1,2,3,4\n")
        assert {p.code for p in found} == {"empty_name", "duplicate_name"}
        details = " ".join(p.detail for p in found)
        assert "column 2 has no name" in details
        assert "column 4 has no name" in details
        assert '2 columns are called "x"' in details
        assert "line 3" in problems("\n\nx,x\n1,2\n")[0].detail

    @pytest.mark.parametrize("text", ['x,y\n"a,1\n', 'x,y\n"a"b,1\n'])
    def test_a_quote_gone_wrong_is_named_by_line(self, text: str) -> None:
        (problem,) = problems(text)
        assert problem.code == "not_csv"
        assert problem.detail.startswith("line 2: ")

    def test_bytes_that_are_no_text_are_refused(self) -> None:
        assert problems("x,y\n1,2\n".encode("utf-16"))[0].code == "not_text"
        assert problems(b"\x89PNG\r\n\0\0")[0].code == "not_text"

    def test_bounds_hold_exactly(self) -> None:
        text = "a,b\n1,2\n3,4\n"
        assert csv(text, Bounds(2, 2, 4)).row_count == 2
        assert problems(text, max_rows=1)[0].detail == "the table has more than 1 rows"
        assert problems(text, max_columns=1)[0].code == "too_large"
        assert problems(text, max_cells=3)[0].code == "too_large"

    @given(st.binary(max_size=80))
    def test_no_bytes_make_it_stumble(self, data: bytes) -> None:
        for media_type in (CSV, JSON, NDJSON):
            check_read_or_refused(data, media_type)

    @given(st.text(alphabet='ab1.,;"\n\r\t |-', max_size=40))
    def test_no_text_makes_it_stumble(self, text: str) -> None:
        check_read_or_refused(text.encode(), CSV)


def check_read_or_refused(data: bytes, media_type: str) -> None:
    try:
        table = read_table(data, media_type)
    except BadData as refusal:
        assert_explained(refusal)
    else:
        assert table.row_count > 0
        assert len(rows(table)) == table.row_count


def assert_explained(refusal: BadData) -> None:
    assert refusal.problems
    assert all(problem.code and problem.detail for problem in refusal.problems)


COLUMNS = ["x", "flag", "name", "y"]
BY_ROWS = {"columns": COLUMNS, "rows": PLAIN_ROWS}
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in PLAIN_ROWS]


class TestJson:
    @pytest.mark.parametrize(
        "document", [BY_ROWS, {"records": RECORDS}, RECORDS], ids=["rows", "records", "array"]
    )
    def test_every_shape_gives_the_same_table(self, document: Any) -> None:
        table = read_table(json.dumps(document).encode(), JSON)
        assert [column.type for column in table.columns] == ["number", "boolean", "category", "number"]
        assert rows(table) == PLAIN_ROWS

    def test_lines_of_objects_are_read_blank_ones_passed_over(self) -> None:
        data = "\n\n".join(json.dumps(record) for record in RECORDS) + "\n"
        assert rows(read_table(data.encode(), NDJSON)) == PLAIN_ROWS

    def test_records_may_order_their_members_as_they_like(self) -> None:
        assert rows(table_from_records([{"a": 1, "b": "x"}, {"b": "y", "a": 2}])) == [[1, "x"], [2, "y"]]

    def test_ragged_and_shapeless_rows_have_their_pointers(self) -> None:
        found = problems({"columns": ["x", "y"], "rows": [[1], [1, 2], "ab", {"x": 1}, [1, 2, 3]]}, JSON)
        assert [(p.pointer, p.code) for p in found] == [
            ("/rows/0", "ragged_row"),
            ("/rows/2", "wrong_type"),
            ("/rows/3", "wrong_type"),
            ("/rows/4", "ragged_row"),
        ]

    def test_records_with_other_members_have_their_pointers(self) -> None:
        found = problems([{"colour": 1, "y": 2}, {"color": 1, "y": 2}, {"y": 2}], JSON)
        assert [(p.pointer, p.code) for p in found] == [
            ("/records/1/color", "unknown_column"),
            ("/records/1", "missing_column"),
            ("/records/2", "missing_column"),
        ]
        assert found[0].hint == 'did you mean "colour"?'

    def test_pointers_escape_what_names_may_hold(self) -> None:
        (problem,) = problems([{"a/b~c": []}], JSON)
        assert problem.pointer == "/records/0/a~1b~0c"

    @pytest.mark.parametrize(
        ("document", "pointer", "code"),
        [
            ({"columns": [], "rows": [[1]]}, "/columns", "wrong_type"),
            ({"columns": "xy", "rows": [[1, 2]]}, "/columns", "wrong_type"),
            ({"rows": [[1]]}, "/columns", "wrong_type"),
            ({"columns": ["x"], "rows": []}, "/rows", "no_rows"),
            ({"columns": ["x", "x"], "rows": [[1, 2]]}, "", "duplicate_name"),
            ({"columns": ["x", 3], "rows": [[1, 2]]}, "", "empty_name"),
            ({"records": []}, "/records", "no_rows"),
            ({"records": [{"x": 1}, 5]}, "/records/1", "wrong_type"),
            ({"records": [{}]}, "/records/0", "wrong_type"),
            ({"x": 1}, "", "wrong_shape"),
            ([1, 2], "/records/0", "wrong_type"),
        ],
    )
    def test_other_shapes_are_refused(self, document: Any, pointer: str, code: str) -> None:
        (problem,) = problems(document, JSON)
        assert (problem.pointer, problem.code) == (pointer, code)

    @pytest.mark.parametrize("data", [b"", b"{", b"[1,]", b"\xff\xfe", b"nul", b"[" * 100_000])
    def test_what_is_not_json_is_refused(self, data: bytes) -> None:
        assert problems(data, JSON)[0].code == "not_json"

    def test_a_bad_line_is_named(self) -> None:
        (problem,) = problems('{"x": 1}\n\n{"x": 2\n', NDJSON)
        assert problem.code == "not_json"
        assert problem.detail.startswith("line 3 is not JSON: ")

    def test_bounds_hold_for_json_too(self) -> None:
        table_from_rows(["a", "b"], [[1, 2], [3, 4]], Bounds(2, 2, 4))
        for bounds in (Bounds(max_rows=1), Bounds(max_columns=1), Bounds(max_cells=3)):
            with pytest.raises(BadData, match="more than"):
                table_from_rows(["a", "b"], [[1, 2], [3, 4]], bounds)
            with pytest.raises(BadData, match="more than"):
                table_from_records([{"a": 1, "b": 2}, {"a": 3, "b": 4}], bounds)


class TestParquet:
    FRAME = pl.DataFrame(
        {"x": [1, 2, None], "y": [0.5, -1.5, 2.0], "flag": [True, None, False], "name": ["a", None, "b"]},
        schema={"x": pl.Int32, "y": pl.Float32, "flag": pl.Boolean, "name": pl.String},
    )

    def test_columns_keep_their_kinds(self) -> None:
        table = read_table(parquet(self.FRAME), PARQUET)
        assert [column.type for column in table.columns] == ["number", "number", "boolean", "category"]
        assert rows(table) == [[1, 0.5, True, "a"], [2, -1.5, None, None], [None, 2.0, False, "b"]]

    def test_categoricals_are_text(self) -> None:
        frame = self.FRAME.with_columns(pl.col("name").cast(pl.Categorical))
        assert read_table(parquet(frame), PARQUET).columns[3].type == "category"

    def test_a_truncated_file_is_refused_wherever_it_was_cut(self) -> None:
        data = parquet(self.FRAME)
        for length in range(0, len(data), 7):
            assert problems(data[:length], PARQUET)[0].code == "not_parquet"

    def test_no_changed_byte_makes_it_stumble(self) -> None:
        data = parquet(pl.DataFrame({"a": [1.0, 2.0] * 50, "b": ["x", "y"] * 50}))
        for place in range(0, len(data), 3):
            check_read_or_refused(data[:place] + bytes([data[place] ^ 0x5A]) + data[place + 1 :], PARQUET)

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_what_is_not_finite_is_named_by_row_and_column(self, bad: float) -> None:
        (problem,) = problems(parquet(pl.DataFrame({"x": [1.0, 2.0], "y": [1.0, bad]})), PARQUET)
        assert problem.code == "not_finite"
        assert problem.detail.startswith('row 2, column "y"')

    def test_lists_and_dates_are_refused_by_column(self) -> None:
        frame = pl.DataFrame({"x": [1.0], "when": ["2024-01-01"], "all": [[1, 2]]})
        found = problems(parquet(frame.with_columns(pl.col("when").str.to_date())), PARQUET)
        assert [p.code for p in found] == ["wrong_type", "wrong_type"]
        assert 'column "when" holds Date' in found[0].detail

    def test_no_rows_and_too_many_are_refused(self) -> None:
        assert problems(parquet(self.FRAME.head(0)), PARQUET)[0].code == "no_rows"
        assert problems(parquet(self.FRAME), PARQUET, max_rows=2)[0].code == "too_large"
