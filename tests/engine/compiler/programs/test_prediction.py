"""Prediction programs: kernels shared with training, blocks and single rows."""

from engine.compiler.programs.prediction import prediction_program
from tests.engine.compiler.kernels.test_layout import layers


def test_a_network_is_compiled_once_for_blocks_and_once_for_single_rows() -> None:
    shapes = layers(3, 5, 2)
    assert prediction_program(shapes, 48) is prediction_program(shapes, 48)
    assert prediction_program(shapes, 48) is not prediction_program(shapes, 1)
    assert prediction_program(shapes, 1).size < prediction_program(shapes, 48).size
