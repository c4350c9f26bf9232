"""A model as one Python file that needs nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from string import Template

from engine.autograd import primitives
from engine.data.fitting.preprocessing import Input
from engine.export.portable import Portable
from engine.export.scalars import Source, activation_lines

_BUILTIN = {"abs": "abs", "tanh": "math.tanh", "erf": "math.erf"}
_FUNCTIONS = {
    name: f"{_BUILTIN.get(name, name)}({{0}}{', {1}' if name in ('divide', 'power') else ''})"
    for name in primitives.SCALAR_FUNCTIONS
}

_TEMPLATE = Template(
    '''"""A model exported by gradhouse. It needs Python and nothing else; run it to test it."""

import math

NAME = $title

# name, type, position of each category, input width, offset, scale, fill, indicator, unknown may come
INPUTS = $inputs

# activation, weights [units][inputs], biases
LAYERS = [
$layers]

CLASSES = $classes
PROBABILITIES = $probabilities
TARGET_OFFSET, TARGET_SCALE = $offset, $scale

SELF_TEST = $self_test


$functions
ACTIVATIONS = {$activations}


def encode(instance):
    """One row, an object by name (None for missing), as the network's inputs."""
    encoded = []
    for name, kind, positions, width, offset, scale, fill, indicator, lenient in INPUTS:
        value = instance[name]
        missing = value is None or value != value
        if missing and fill is None and not (kind == "category" and lenient):
            raise ValueError(f"{name} is missing, and the model knows nothing to fill in")
        if kind == "category":
            if not missing and value not in positions and not lenient:
                raise ValueError(f"{name} knows no category {value!r}")
            position = fill if missing else positions.get(value)
            encoded += [1.0 if k == position else 0.0 for k in range(width - indicator)]
        else:
            encoded.append(((fill if missing else float(value)) - offset) / scale)
        if indicator:
            encoded.append(1.0 if missing else 0.0)
    return encoded


def scores(instance):
    """The output units' values for one row."""
    values = encode(instance)
    for activation, weights, biases in LAYERS:
        function = ACTIVATIONS[activation]
        values = [
            function(bias + sum(w * v for w, v in zip(row, values)))
            for row, bias in zip(weights, biases)
        ]
    return values


def probabilities(found):
    """The probability of each class, in the order of CLASSES."""
    if PROBABILITIES == "sigmoid":
        powers = [1.0, math.exp(-abs(found[0]))]
        if found[0] > 0.0:
            powers.reverse()
    else:
        highest = max(found)
        powers = [math.exp(score - highest) for score in found]
    total = sum(powers)
    return [power / total for power in powers]


def predict(instance):
    """What the model says of one row."""
    found = scores(instance)
    if CLASSES is None:
        return {"value": found[0] * TARGET_SCALE + TARGET_OFFSET}
    position = int(found[0] > 0.0) if len(found) == 1 else found.index(max(found))
    answer = {"label": CLASSES[position], "scores": found}
    if PROBABILITIES is not None:
        answer["probabilities"] = dict(zip(CLASS_NAMES, probabilities(found)))
    return answer


CLASS_NAMES = $class_names


def self_test():
    """Raises AssertionError unless the model still says what it said when it was exported."""
    for got, wanted in zip(scores(SELF_TEST["instance"]), SELF_TEST["scores"], strict=True):
        assert abs(got - wanted) <= 1e-9 * max(1.0, abs(wanted)), (got, wanted)


if __name__ == "__main__":
    self_test()
    print("the self-test row gives", predict(SELF_TEST["instance"]))
'''
)


def write_python(portable: Portable) -> str:
    """The file's text."""
    target = portable.model.encoding.target
    return _TEMPLATE.substitute(
        title=repr(portable.title),
        inputs=_lines([_input(each) for each in portable.inputs]),
        layers="".join(
            f"    ({layer.activation!r}, {_lines(layer.weights)}, {layer.biases!r}),\n"
            for layer in portable.layers
        ),
        classes=repr(None if portable.model.classes is None else list(portable.model.classes)),
        class_names=repr(portable.class_names),
        probabilities=repr(portable.probabilities),
        offset=repr(target.offset),
        scale=repr(target.scale),
        self_test=repr(portable.self_test.to_document()),
        functions=_functions(portable),
        activations=", ".join(f"{name!r}: {name}_activation" for name in portable.activations),
    )


def _input(each: Input) -> tuple[object, ...]:
    positions = {category: each.position(category) for category in each.known} or None
    fill = int(each.fill) if each.type == "category" and each.fill is not None else each.fill
    return (
        each.name,
        each.type,
        positions,
        each.width,
        each.offset,
        each.scale,
        fill,
        each.indicator,
        each.ignore_unknown,
    )


def _lines(rows: Sequence[object]) -> str:
    return "[\n" + "".join(f"    {row!r},\n" for row in rows) + "]"


def _functions(portable: Portable) -> str:
    source = Source(
        _FUNCTIONS, choice="({1} if {0} else {2})", either="({0} or {1})", assign="{} = {}".format
    )
    defined = []
    for name in portable.activations:
        lines, result = activation_lines(name, source)
        body = "".join(f"    {line}\n" for line in lines)
        defined.append(f"def {name}_activation(x):\n{body}    return {result}\n\n\n")
    needed = [
        inspect.getsource(function)
        for name, function in primitives.SCALAR_FUNCTIONS.items()
        if name in source.used and name not in _BUILTIN
    ]
    return "\n\n".join(needed) + ("\n\n" if needed else "") + "".join(defined)
