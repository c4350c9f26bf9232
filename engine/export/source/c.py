"""A model as one C file: C99 and its mathematics library, no allocation, no globals that change."""

from __future__ import annotations

from collections.abc import Sequence
from string import Template

from engine.export.portable import Dense, Portable, first_positions
from engine.export.scalars import Source, activation_lines

_FUNCTIONS = {
    "abs": "fabs({0})",
    "divide": "({0} / {1})",
    "erf": "erf({0})",
    "exp": "exp({0})",
    "expm1": "expm1({0})",
    "log": "log({0})",
    "log1p": "log1p({0})",
    "power": "pow({0}, {1})",
    "sqrt": "sqrt({0})",
    "tanh": "tanh({0})",
}

_TEMPLATE = Template("""/* A model exported by gradhouse: C99, link with -lm.
 *
 * A row is MODEL_INPUTS doubles in the order of model_input_names: a number as itself, a boolean as 0 or 1, a
 * category as model_category(input, text) gives it, and NAN for what is missing.
 * Its self-test: cc -DMODEL_SELF_TEST model.c -lm && ./a.out
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MODEL_INPUTS $input_count
#define MODEL_OUTPUTS $outputs
#define MODEL_CLASSES $class_count

const char *const model_name = $title;
const char *const model_input_names[MODEL_INPUTS] = {$input_names};
const char *const model_class_names[MODEL_CLASSES + 1] = {$class_names};

$activations
$layers
/* The position of a category, -1 for one that the model does not know. */
double model_category(int input, const char *text) {
$categories    (void)text;
    (void)input;
    return -1.0;
}

/* Encodes a row; 0, or the number (from 1) of the first input that is missing or unknown and may not be. */
static int encode(const double *row, double *encoded) {
$encode    return 0;
}

/* The scores of a row; 0, or the number (from 1) of the first input that the model cannot use. */
int model_scores(const double *row, double *scores) {
    double encoded[$width];
    int wrong = encode(row, encoded);
    if (wrong) return wrong;
$forward    return 0;
}

/* The position of the predicted class in model_class_names. */
int model_label(const double *scores) {
    int best = 0;
    if (MODEL_OUTPUTS == 1) return scores[0] > 0.0;
    for (int i = 1; i < MODEL_OUTPUTS; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}
$probabilities
/* A regression's answer in the target's own unit. */
double model_value(const double *scores) { return scores[0] * $scale + $offset; }

/* 0 if the model still says what it said when it was exported. */
int model_self_test(void) {
    const double row[MODEL_INPUTS] = {$test_row};
    const double wanted[MODEL_OUTPUTS] = {$test_scores};
    double scores[MODEL_OUTPUTS];
    if (model_scores(row, scores)) return 1;
    for (int i = 0; i < MODEL_OUTPUTS; i++)
        if (!(fabs(scores[i] - wanted[i]) <= 1e-9 * fmax(1.0, fabs(wanted[i])))) return 1;
    return 0;
}

#ifdef MODEL_SELF_TEST
int main(void) {
    puts(model_self_test() ? "the self-test FAILS" : "the self-test passes");
    return model_self_test();
}
#endif
""")

_SIGMOID = """
/* The probability of each class. */
void model_probabilities(const double *scores, double *probabilities) {
    probabilities[0] = 1.0 / (1.0 + exp(scores[0]));
    probabilities[1] = 1.0 / (1.0 + exp(-scores[0]));
}
"""
_SOFTMAX = """
/* The probability of each class. */
void model_probabilities(const double *scores, double *probabilities) {
    double total = 0.0, highest = scores[model_label(scores)];
    for (int i = 0; i < MODEL_OUTPUTS; i++) total += probabilities[i] = exp(scores[i] - highest);
    for (int i = 0; i < MODEL_OUTPUTS; i++) probabilities[i] /= total;
}
"""


def write_c(portable: Portable) -> str:
    """The file's text."""
    model, names = portable.model, portable.class_names or []
    return _TEMPLATE.substitute(
        title=_text(portable.title),
        input_count=len(portable.inputs),
        outputs=portable.outputs,
        class_count=len(names),
        input_names=", ".join(_text(each.name) for each in portable.inputs),
        class_names=", ".join([*map(_text, names), "0"]),
        activations=_activations(portable),
        layers="".join(_layer(i, each) for i, each in enumerate(portable.layers)),
        categories=_categories(portable),
        width=model.encoding.width,
        encode=_encode(portable),
        forward=_forward(portable),
        probabilities={"sigmoid": _SIGMOID, "softmax": _SOFTMAX, None: ""}[portable.probabilities],
        scale=repr(model.encoding.target.scale),
        offset=repr(model.encoding.target.offset),
        test_row=_numbers(_test_row(portable)),
        test_scores=_numbers(portable.self_test.scores),
    )


def _text(text: str) -> str:
    """A C string: what is no plain ASCII as octal escapes, which cannot run into what follows."""
    plain = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return f'"{"".join(plain)}"'


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(map(repr, values))


def _activations(portable: Portable) -> str:
    source = Source(_FUNCTIONS, assign="const double {} = {};".format)
    text = []
    for name in portable.activations:
        lines, result = activation_lines(name, source)
        body = "".join(f"    {line}\n" for line in lines)
        text.append(f"static double {name}_activation(double x) {{\n{body}    return {result};\n}}\n")
    return "\n".join(text)


def _layer(number: int, layer: Dense) -> str:
    units, inputs = len(layer.weights), len(layer.weights[0])
    rows = ",\n".join(f"    {{{_numbers(row)}}}" for row in layer.weights)
    return (
        f"static const double weights_{number}[{units}][{inputs}] = {{\n{rows}\n}};\n"
        f"static const double biases_{number}[{units}] = {{{_numbers(layer.biases)}}};\n"
    )


def _categories(portable: Portable) -> str:
    return "".join(
        f"    if (input == {i} && !strcmp(text, {_text(category)})) return {each.position(category)}.0;\n"
        for i, each in enumerate(portable.inputs)
        for category in each.known
    )


def _encode(portable: Portable) -> str:
    lines = []
    for i, (each, start) in enumerate(zip(portable.inputs, first_positions(portable), strict=True)):
        members = each.width - each.indicator
        filled = f"row[{i}]" if each.fill is None else f"(isnan(row[{i}]) ? {each.fill!r} : row[{i}])"
        if not (each.type == "category" and each.ignore_unknown):
            if each.fill is None:
                lines.append(f"if (isnan(row[{i}])) return {i + 1};")
            if each.type == "category":
                lines.append(f"if (row[{i}] < 0.0) return {i + 1};")
        if each.type == "category":
            lines.append(
                f"for (int k = 0; k < {members}; k++) encoded[{start} + k] = {filled} == k ? 1.0 : 0.0;"
            )
        else:
            lines.append(f"encoded[{start}] = ({filled} - ({each.offset!r})) / {each.scale!r};")
        if each.indicator:
            lines.append(f"encoded[{start + members}] = isnan(row[{i}]) ? 1.0 : 0.0;")
    return "".join(f"    {line}\n" for line in lines)


def _forward(portable: Portable) -> str:
    text, before = "", "encoded"
    for number, layer in enumerate(portable.layers):
        units, inputs = len(layer.weights), len(layer.weights[0])
        last = number == len(portable.layers) - 1
        after = "scores" if last else f"values_{number}"
        text += "" if last else f"    double {after}[{units}];\n"
        text += (
            f"    for (int unit = 0; unit < {units}; unit++) {{\n"
            f"        double sum = biases_{number}[unit];\n"
            f"        for (int i = 0; i < {inputs}; i++) sum += weights_{number}[unit][i] * {before}[i];\n"
            f"        {after}[unit] = {layer.activation}_activation(sum);\n    }}\n"
        )
        before = after
    return text


def _test_row(portable: Portable) -> list[float]:
    cells = (portable.self_test.instance[each.name] for each in portable.inputs)
    return [
        float(each.position(cell) or 0) if each.type == "category" else float(cell)
        for each, cell in zip(portable.inputs, cells, strict=True)
    ]
