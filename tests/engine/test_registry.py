"""Names: found, suggested, taken once."""

from collections.abc import Callable

import pytest

from engine.registry import MOST_COMPARED, MOST_LETTERS, Registry, UnknownName, did_you_mean, hint_of, listed


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


def test_a_hint_names_what_was_meant_or_nothing() -> None:
    assert hint_of("epoch", ["epochs"]) == 'did you mean "epochs"?'
    assert hint_of("zzz", ["epochs"]) == ""


def test_long_words_and_names_far_down_the_list_are_not_compared() -> None:
    word = "a" * MOST_LETTERS
    assert did_you_mean(word, [word]) == word
    assert did_you_mean(word + "a", [word + "a"]) is None
    many = [f"x{i:04}" for i in range(MOST_COMPARED // 5 // 5)]
    assert did_you_mean("y9999", [*many[1:], "y9999"]) == "y9999"
    assert did_you_mean("y9999", [*many, "y9999"]) is None


def test_of_many_names_the_first_are_listed() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(i) for i in range(99)]).endswith("18, 19, …")
