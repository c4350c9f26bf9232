"""The forms of export as a family; each is run in a test file of its own."""

from __future__ import annotations

import pytest

from engine.export.formats import FORMS, export
from engine.registry import UnknownName
from tests.engine.export.cases import model_of


def test_equal_models_give_equal_bytes() -> None:
    for name in FORMS.names():
        assert export(model_of("iris"), name) == export(model_of("iris"), name)


def test_an_unknown_form_is_named_with_the_one_meant() -> None:
    with pytest.raises(UnknownName) as caught:
        export(model_of("iris"), "onyx")
    assert caught.value.suggestion == "onnx"
