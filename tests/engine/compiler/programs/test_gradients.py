"""Gradient programs: one for a network, whatever its parameters."""

from engine.compiler.programs.gradients import gradient_program
from engine.compiler.programs.prediction import prediction_program
from tests.engine.compiler.kernels.test_layout import layers


def test_a_network_is_compiled_once() -> None:
    assert gradient_program(layers(3, 5, 2)) is gradient_program(layers(3, 5, 2))


def test_weights_are_copied_only_where_slopes_go_through_them_transposed() -> None:
    assert gradient_program(layers(3, 1)).transposed_size == 0  # a single output's are read as they lie
    assert gradient_program(layers(3, 9, 1)).transposed_size == 8 * 16


def test_the_way_back_needs_two_more_regions() -> None:
    shapes = layers(3, 9, 2)
    there, back = prediction_program(shapes, 48), gradient_program(shapes)
    assert there.size < back.size <= there.size + 4 * 56 * 16
