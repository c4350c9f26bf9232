"""The metadata of a file in memory is what was saved with it."""

import numpy as np
import pytest
from safetensors.numpy import save

from engine.models.safetensors_header import safetensors_metadata


def test_the_metadata_is_what_was_saved() -> None:
    data = save({"x": np.zeros(3)}, metadata={"first": "1", "second": "ü"})
    assert safetensors_metadata(data) == {"first": "1", "second": "ü"}


def test_a_file_without_metadata_has_none() -> None:
    assert safetensors_metadata(save({"x": np.zeros(3)})) == {}


def test_bytes_that_are_no_file_are_a_value_error() -> None:
    with pytest.raises(ValueError, match="unexpected"):
        safetensors_metadata(b"\x03\0\0\0\0\0\0\0{x}")
