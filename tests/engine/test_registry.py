"""Names: found, suggested, taken once."""

from collections.abc import Callable

import pytest

from engine.registry import Registry, UnknownName, did_you_mean


def shapes() -> Registry[int]:
    registry: Registry[int] = Registry("shape")
    registry.add("triangle", 3)
    registry.add("square", 4)
    return registry


def test_members_are_found_by_name_in_the_order_of_registration() -> None:
    registry = shapes()
    assert registry.names() == ("triangle", "square")
    assert list(registry) == [("triangle", 3), ("square", 4)]
    assert registry.get("square") == 4
    assert "square" in registry
    assert "circle" not in registry
    assert 4 not in registry


def test_an_unknown_name_is_refused_with_all_names_and_the_one_meant() -> None:
    with pytest.raises(UnknownName, match='unknown shape "squar"; known are triangle, square') as refusal:
        shapes().get("squar")
    assert refusal.value.suggestion == "square"
    assert refusal.value.kind == "shape"
    with pytest.raises(UnknownName) as refusal:
        shapes().get("zzz")
    assert refusal.value.suggestion is None


def test_a_name_is_taken_once() -> None:
    registry = shapes()
    with pytest.raises(ValueError, match="registered twice"):
        registry.add("square", 5)
    assert registry.get("square") == 4


def test_the_decorator_registers_and_leaves_the_function_as_it_was() -> None:
    registry: Registry[Callable[[], int]] = Registry("function")

    @registry.register("one")
    def one() -> int:
        return 1

    assert registry.get("one") is one


@pytest.mark.parametrize(
    ("word", "meant"), [("learing_rate", "learning_rate"), ("epoch", "epochs"), ("zzz", None), ("", None)]
)
def test_a_misspelt_word_suggests_the_nearest(word: str, meant: str | None) -> None:
    assert did_you_mean(word, ["learning_rate", "epochs", "momentum"]) == meant
