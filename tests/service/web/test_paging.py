"""Pages of lists."""

from flask import Flask

from service.web.paging import PageQuery, RowQuery, page_response, page_schema
from service.web.schemas import Schema, Text, load


def test_a_page_says_where_the_next_begins() -> None:
    with Flask(__name__).test_request_context("/things?limit=2&name=a%26b&after=x"):
        response = page_response([1, 2], "id_2")
    assert response.json == {"data": [1, 2], "has_more": True, "next": "id_2"}
    assert response.headers["Link"] == '</things?limit=2&name=a%26b&after=id_2>; rel="next"'


def test_the_last_page_says_so() -> None:
    with Flask(__name__).test_request_context("/things"):
        response = page_response([], None)
    assert response.json == {"data": [], "has_more": False, "next": None}
    assert "Link" not in response.headers


def test_a_limit_has_bounds_and_a_default() -> None:
    assert load(PageQuery(), {}) == ({"limit": 50}, [])
    assert load(RowQuery(), {"after": "3"}) == ({"limit": 1000, "after": 3}, [])
    for limit in ("0", "1001", "-1"):
        [problem] = load(PageQuery(), {"limit": limit})[1]
        assert problem.detail == f"limit must lie between 1 and 1000, got {limit}"


def test_an_envelope_is_named_after_its_items() -> None:
    class ThingSchema(Schema):
        name = Text()

    assert type(page_schema(ThingSchema())).__name__ == "ThingPage"
