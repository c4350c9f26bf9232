"""A model as one JavaScript file for Node, browsers and anything between."""

from __future__ import annotations

from string import Template
from typing import Any

import orjson

from engine.export.portable import Portable
from engine.export.scalars import Source, activation_lines

_FUNCTIONS = {
    "abs": "Math.abs({0})",
    "divide": "({0} / {1})",
    "erf": "erf({0})",
    "exp": "Math.exp({0})",
    "expm1": "Math.expm1({0})",
    "log": "Math.log({0})",
    "log1p": "Math.log1p({0})",
    "power": "Math.pow({0}, {1})",
    "sqrt": "Math.sqrt({0})",
    "tanh": "Math.tanh({0})",
}

_TEMPLATE = Template("""// A model exported by gradhouse. It needs nothing else: predict({...}), selfTest().
"use strict";

const model = (() => {
  const NAME = $title;
  const INPUTS = $inputs;
  const LAYERS = $layers;
  const CLASSES = $classes;
  const CLASS_NAMES = $class_names;
  const PROBABILITIES = $probabilities;
  const TARGET_OFFSET = $offset, TARGET_SCALE = $scale;
  const SELF_TEST = $self_test;

  // The error function by its series 2/sqrt(pi) e^(-x*x) (x + 2x^3/3 + 4x^5/15 + ...): all terms of one sign.
  function erf(x) {
    if (Math.abs(x) > 6) return Math.sign(x);
    let term = x, sum = x;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n += 1) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1.1283791670955126 * Math.exp(-x * x) * sum;
  }

  const ACTIVATIONS = {
$activations  };

  function encode(instance) {
    const encoded = [];
    for (const input of INPUTS) {
      let value = instance[input.name];
      const missing = value === null || value === undefined || Number.isNaN(value);
      const isCategory = input.type === "category";
      if (missing && input.fill === null && !(isCategory && input.lenient)) {
        throw new Error(input.name + " is missing, and the model knows nothing to fill in");
      }
      if (isCategory) {
        const known = input.categories.indexOf(value);
        if (!missing && known < 0 && !input.lenient) {
          throw new Error(input.name + " knows no category " + value);
        }
        const position = missing ? input.fill : known < 0 ? null : input.positions[known];
        for (let k = 0; k < input.width - (input.indicator ? 1 : 0); k += 1) {
          encoded.push(k === position ? 1 : 0);
        }
      } else {
        encoded.push(((missing ? input.fill : Number(value)) - input.offset) / input.scale);
      }
      if (input.indicator) encoded.push(missing ? 1 : 0);
    }
    return encoded;
  }

  function scores(instance) {
    let values = encode(instance);
    for (const layer of LAYERS) {
      const activation = ACTIVATIONS[layer.activation];
      values = layer.weights.map((row, unit) => {
        let sum = layer.biases[unit];
        for (let i = 0; i < row.length; i += 1) sum += row[i] * values[i];
        return activation(sum);
      });
    }
    return values;
  }

  function probabilities(found) {
    let powers;
    if (PROBABILITIES === "sigmoid") {
      powers = [1, Math.exp(-Math.abs(found[0]))];
      if (found[0] > 0) powers.reverse();
    } else {
      const highest = Math.max(...found);
      powers = found.map((score) => Math.exp(score - highest));
    }
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / total);
  }

  function predict(instance) {
    const found = scores(instance);
    if (CLASSES === null) return { value: found[0] * TARGET_SCALE + TARGET_OFFSET };
    const position = found.length === 1 ? Number(found[0] > 0) : found.indexOf(Math.max(...found));
    const answer = { label: CLASSES[position], scores: found };
    if (PROBABILITIES !== null) {
      answer.probabilities = {};
      probabilities(found).forEach((p, i) => { answer.probabilities[CLASS_NAMES[i]] = p; });
    }
    return answer;
  }

  // Throws unless the model still says what it said when it was exported.
  function selfTest() {
    scores(SELF_TEST.instance).forEach((got, i) => {
      const wanted = SELF_TEST.scores[i];
      if (!(Math.abs(got - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted)))) {
        throw new Error("the self-test gives " + got + " where " + wanted + " is wanted");
      }
    });
    return true;
  }

  return { name: NAME, inputs: INPUTS, classes: CLASSES, predict, scores, selfTest };
})();

if (typeof module !== "undefined") {
  module.exports = model;
  if (require.main === module) console.log("the self-test passes:", model.selfTest());
}
""")


def write_javascript(portable: Portable) -> str:
    """The file's text."""
    target = portable.model.encoding.target
    classes = portable.model.classes
    layers = [
        {"activation": each.activation, "weights": each.weights, "biases": each.biases}
        for each in portable.layers
    ]
    return _TEMPLATE.substitute(
        title=_json(portable.title),
        inputs=_json([_input(each) for each in portable.inputs]),
        layers=_json(layers),
        classes=_json(None if classes is None else list(classes)),
        class_names=_json(portable.class_names),
        probabilities=_json(portable.probabilities),
        offset=_json(target.offset),
        scale=_json(target.scale),
        self_test=_json(portable.self_test.to_document()),
        activations=_activations(portable),
    )


def _json(value: Any) -> str:
    # Inside a page's <script> an end tag in a name would end the script.
    return orjson.dumps(value).decode().replace("</", "<\\/")


def _input(each: Any) -> dict[str, Any]:
    return {
        "name": each.name,
        "type": each.type,
        "categories": each.known,
        "positions": [each.position(category) for category in each.known],
        "width": each.width,
        "offset": each.offset,
        "scale": each.scale,
        "fill": each.fill,
        "indicator": each.indicator,
        "lenient": each.ignore_unknown,
    }


def _activations(portable: Portable) -> str:
    source = Source(_FUNCTIONS, unequal="!==", assign="const {} = {};".format)
    text = []
    for name in portable.activations:
        lines, result = activation_lines(name, source)
        body = "".join(f"      {line}\n" for line in lines)
        text.append(f"    {name}(x) {{\n{body}      return {result};\n    }},\n")
    return "".join(text)
