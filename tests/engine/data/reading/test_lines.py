"""Text in parts of whole rows, each knowing its line."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.reading import lines
from engine.data.reading.cells import Problems
from engine.data.reading.lines import Part, encoding_of, parts_of
from engine.errors import BadData

cells = st.sampled_from(["1", "abc", '"q ""x"""', '"a\nb"', '"c,d"', "", '"\n\n"', "ü"])
texts = st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=30)


@given(texts, st.integers(1, 60))
def test_no_row_is_cut_however_small_the_parts(rows: list[list[str]], size: int) -> None:
    data = "".join(",".join(row) + "\n" for row in rows).encode()
    whole = list(Part(data, 1).rows(",", Problems()))
    found = [row for part in parts_of(io.BytesIO(data), "utf-8", size) for row in part.rows(",", Problems())]
    assert found == whole


@given(texts)
def test_counting_finds_regular_rows_regular(rows: list[list[str]]) -> None:
    data = "".join(",".join(row) + "\n" for row in rows).encode()
    part = Part(data, 1)
    assert part.is_regular(",", 2) or b"\n\n" in data
    assert not part.is_regular(",", 3)


@pytest.mark.parametrize(
    "data", [b"1,2\n\n3,4\n", b"\n1,2\n", b"1,2\r3,4\n", b"1,2\r\n\r\n3,4\n", b"1\n2,3\n"]
)
def test_what_is_odd_is_left_to_the_careful_reader(data: bytes) -> None:
    assert not Part(data, 1).is_regular(",", 2)


def test_old_line_ends_end_lines_too() -> None:
    (part,) = parts_of(io.BytesIO(b"a,b\r1,2\r"), "utf-8")
    assert list(part.rows(",", Problems())) == [(1, ["a", "b"]), (2, ["1", "2"])]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"plain", "utf-8"),
        ("müde".encode(), "utf-8"),
        (b"\xef\xbb\xbfmark", "utf-8"),
        ("müde".encode("latin-1"), "latin-1"),
        (b"cut \xc3", "latin-1"),
    ],
)
def test_the_encoding_is_found_and_its_mark_passed_over(data: bytes, encoding: str) -> None:
    source = io.BytesIO(data)
    assert encoding_of(source) == encoding
    assert not source.read().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("data", ["x,y\n1,2\n".encode("utf-16"), b"x,y\n1,\0\n"])
def test_what_is_not_text_is_refused(data: bytes) -> None:
    with pytest.raises(BadData) as refused:
        encoding_of(io.BytesIO(data))
    assert refused.value.problems[0].code == "not_text"


def test_a_row_without_end_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_ROW_BYTES", 1_000)
    with pytest.raises(BadData, match="line 2: the row that begins here does not end within 1,000 bytes"):
        list(parts_of(io.BytesIO(b'a,b\n"' + b"x\n" * 2_000), "utf-8", 100))


@pytest.mark.parametrize("text", ['"a"', '"a,b",c\n"say ""it""",d\n', '"",""\n', '"a\nb",1\r\n', "a,b\n"])
def test_usual_quotes_are_known(text: str) -> None:
    assert Part(text.encode(), 1).has_usual_quotes(",")


@pytest.mark.parametrize("text", ['a"b', '"a"b', '""a""', '"a"""b"', '"a', 'x "a"'])
def test_quotes_in_odd_places_are_left_to_the_careful_reader(text: str) -> None:
    assert not Part(text.encode(), 1).has_usual_quotes(",")
