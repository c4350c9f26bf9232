"""The document of all operations."""

from typing import Any

from service.error_kinds import KINDS
from service.scopes import Scope
from service.web.openapi import describe_operation, finish, operations


def document(**operation: Any) -> dict[str, Any]:
    made = {"operationId": "read_thing", "responses": {"200": {"description": "OK"}}, **operation}
    return {"info": {}, "paths": {"/things/{id}": {"get": made, "parameters": []}}}


def test_every_operation_gets_the_errors_that_it_may_answer() -> None:
    [(path, method, operation)] = operations(finish(document(requestBody={}, parameters=[{}]), keyed=True))
    assert (path, method) == ("/things/{id}", "get")
    assert set(operation["responses"]) == {
        "200",
        "400",
        "401",
        "403",
        "404",
        "406",
        "413",
        "415",
        "422",
        "500",
        "503",
    }


def test_errors_without_a_cause_are_not_promised() -> None:
    [(_, _, operation)] = operations(finish(document(), keyed=True))
    assert not {"413", "415", "422"} & set(operation["responses"])


def test_every_status_of_every_kind_has_a_described_response() -> None:
    responses = finish(document(), keyed=True)["components"]["responses"]
    for kind in KINDS.values():
        assert kind.title in responses[f"Problem{kind.status}"]["description"]
    assert "Retry-After" in responses["Problem503"]["headers"]


def test_every_operation_says_which_scope_it_asks_for() -> None:
    asked = describe_operation({"responses": {}}, {"scope": Scope.WRITE})
    assert asked["security"] == [{"key": ["write"]}]
    assert describe_operation({"responses": {}}, {"scope": Scope.PUBLIC})["security"] == []
    keyed, open_ = (finish(document(**asked), keyed=keyed) for keyed in (True, False))
    assert keyed["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert [next(operations(each))[2]["security"] for each in (keyed, open_)] == [
        [{"key": ["write"]}],
        [{"key": ["write"]}, {}],
    ]


def test_what_our_decorators_say_reaches_the_operation() -> None:
    described = describe_operation({"responses": {200: {}}}, {"tagged": True, "refuses": (409,)})
    assert described["responses"][409] == {"$ref": "#/components/responses/Problem409"}
    assert described["responses"][304]["headers"]["ETag"]
    assert described["parameters"][0]["name"] == "If-None-Match"
    assert describe_operation({"responses": {}}, {}) == {"responses": {}}
