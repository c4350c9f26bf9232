"""Scopes and their order."""

from service.scopes import GIVEN, Scope


def test_each_scope_holds_the_ones_before_it() -> None:
    assert Scope.PUBLIC < Scope.READ < Scope.WRITE < Scope.ADMIN
    assert GIVEN == ("read", "write", "admin")
