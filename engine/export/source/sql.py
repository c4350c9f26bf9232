"""A model as one SQL query, for SQLite 3.35 and PostgreSQL 12 onwards: no function, no table of its own."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from engine.export.portable import Portable
from engine.export.scalars import Source, activation_lines

ERF_TERMS = 90  # of the series, for 1e-15 up to |x| = 6
ERF_BLOCK = 9  # terms nested in each other: SQLite's parser stops at a depth of 100

# exp is bounded: PostgreSQL raises an error where a number runs over or under.
_EXP = "exp(CASE WHEN {0} > 700.0 THEN 700.0 WHEN {0} < -700.0 THEN -700.0 ELSE {0} END)"
_FUNCTIONS = {
    "abs": "abs({0})",
    "divide": "({0} / {1})",
    "exp": _EXP,
    "expm1": f"({_EXP} - 1.0)",
    "log": "ln({0})",
    "log1p": "ln(1.0 + {0})",
    "power": "power({0}, {1})",
    "sqrt": "sqrt({0})",
    "tanh": "tanh({0})",
}


def write_sql(portable: Portable) -> str:
    """The query's text: it reads a table `instances` and gives its columns and the answer's."""
    parts, width = [_encoded(portable)], portable.model.encoding.width
    before, names = "encoded", [f"x{i}" for i in range(width)]
    for number, layer in enumerate(portable.layers, start=1):
        sums = [_sum(row, bias, names) for row, bias in zip(layer.weights, layer.biases, strict=True)]
        parts.append(_step(f"sums{number}", before, [f"{each} AS s{i}" for i, each in enumerate(sums)]))
        values = [f"{_activated(layer.activation, f's{i}')} AS v{i}" for i in range(len(sums))]
        before, names = f"layer{number}", [f"v{i}" for i in range(len(sums))]
        parts.append(_step(before, f"sums{number}", values))
    return _header(portable) + "WITH " + ",\n".join(parts) + "\n" + _answer(portable, before)


def _header(portable: Portable) -> str:
    test = orjson.dumps(portable.self_test.to_document()).decode()
    return (
        f"-- The model {orjson.dumps(portable.title).decode()}, exported by gradhouse.\n"
        "-- It reads the table instances, which has a column for each input (booleans as 0 and 1);\n"
        "-- every row comes back with the model's answer behind its own columns.\n"
        f"-- self-test: {test}\n"
    )


def _step(name: str, source: str, columns: Sequence[str]) -> str:
    # Not materialized, every reference would be computed again: exponentially often in the layers.
    listed = ",\n    ".join(["gradhouse_row", *columns])
    return f"{name} AS MATERIALIZED (\n  SELECT\n    {listed}\n  FROM {source}\n)"


def _encoded(portable: Portable) -> str:
    numbered = (
        "numbered AS MATERIALIZED (\n"
        "  SELECT row_number() OVER () AS gradhouse_row, instances.* FROM instances\n)"
    )
    columns: list[str] = []
    for each in portable.inputs:
        column = _name(each.name)
        if each.type == "category":
            columns += [
                _is_member(column, each.fill == k, [c for c in each.known if each.position(c) == k])
                for k in range(each.width - each.indicator)
            ]
        else:
            filled = column if each.fill is None else f"coalesce({column}, {each.fill!r})"
            columns.append(f"({filled} - ({each.offset!r})) / {each.scale!r}")
        if each.indicator:
            columns.append(f"CASE WHEN {column} IS NULL THEN 1.0 ELSE 0.0 END")
    named = [f"{column} AS x{i}" for i, column in enumerate(columns)]
    return numbered + ",\n" + _step("encoded", "numbered", named)


def _is_member(column: str, fills: bool, categories: Sequence[str]) -> str:
    known = f"{column} IN ({', '.join(map(_text, categories))})" if categories else "1 = 0"
    return f"CASE WHEN {known}{f' OR {column} IS NULL' if fills else ''} THEN 1.0 ELSE 0.0 END"


def _sum(weights: Sequence[float], bias: float, names: Sequence[str]) -> str:
    return _balanced(
        [f"({bias!r})", *(f"({weight!r}) * {name}" for weight, name in zip(weights, names, strict=True))]
    )


def _balanced(terms: Sequence[str]) -> str:
    """A sum as a balanced tree: SQLite refuses expressions that are 1,000 deep."""
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return f"({_balanced(terms[:middle])} + {_balanced(terms[middle:])})"


def _activated(activation: str, column: str) -> str:
    source = Source(
        {**_FUNCTIONS, "erf": _erf()},
        choice="(CASE WHEN {0} THEN {1} ELSE {2} END)",
        either="({0} OR {1})",
        unequal="<>",
    )
    return activation_lines(activation, source, column)[1]


def _erf() -> str:
    """The error function by its series 2/√π e^(−x²) Σ 2ⁿ x²ⁿ⁺¹/(2n+1)!!, whose terms have all one sign."""
    terms = [1.0]
    for n in range(1, ERF_TERMS):
        terms.append(terms[-1] * 2.0 / (2 * n + 1))
    blocks = [_horner(terms[start : start + ERF_BLOCK]) for start in range(0, ERF_TERMS, ERF_BLOCK)]
    powers = [f"power({{0}} * {{0}}, {ERF_BLOCK * k}.0) * {block}" for k, block in enumerate(blocks)]
    # Near 0 the first terms suffice, and PostgreSQL raises an error where a power runs under.
    near, far = _horner(terms[:12]), _balanced(powers)
    factor = "1.1283791670955126 * exp(-({0} * {0})) * {0}"
    return (
        "(CASE WHEN {0} > 6.0 THEN 1.0 WHEN {0} < -6.0 THEN -1.0 "
        f"WHEN abs({{0}}) < 0.5 THEN {factor} * {near} ELSE {factor} * {far} END)"
    )


def _horner(terms: Sequence[float]) -> str:
    """A polynomial in x²."""
    text = repr(terms[-1])
    for term in reversed(terms[:-1]):
        text = f"({text} * {{0}} * {{0}} + {term!r})"  # the nested part first: it costs the parser least
    return text


def _answer(portable: Portable, before: str) -> str:
    scores = [f"v{i}" for i in range(portable.outputs)]
    target, names = portable.model.encoding.target, portable.class_names
    columns = ["numbered.*"]
    if names is None:
        columns.append(f"v0 * {target.scale!r} + ({target.offset!r}) AS value")
    else:
        columns += [f"{score} AS score_{i}" for i, score in enumerate(scores)]
        columns += _probabilities(portable, scores)
        columns.append(f"{_label(names, scores)} AS label")
    listed = ",\n  ".join(columns)
    return f"SELECT\n  {listed}\nFROM {before} JOIN numbered USING (gradhouse_row)\nORDER BY gradhouse_row;\n"


def _probabilities(portable: Portable, scores: Sequence[str]) -> list[str]:
    if portable.probabilities == "sigmoid":
        powers = [f"1.0 / (1.0 + {_EXP.format(sign + 'v0')})" for sign in ("", "-")]
        return [f"{each} AS probability_{i}" for i, each in enumerate(powers)]
    if portable.probabilities is None:
        return []
    # 1 / Σ e^(s_k − s_i): no greatest score is needed, and nothing overflows that matters.
    return [
        f"1.0 / {_balanced([_EXP.format(f'({other} - {each})') for other in scores])} AS probability_{i}"
        for i, each in enumerate(scores)
    ]


def _label(names: Sequence[str], scores: Sequence[str]) -> str:
    if len(scores) == 1:
        return f"CASE WHEN v0 > 0.0 THEN {_text(names[1])} ELSE {_text(names[0])} END"
    whens = (
        f"WHEN {' AND '.join(f'{each} >= {other}' for other in scores if other != each)} THEN {_text(name)}"
        for each, name in zip(scores, names, strict=True)
    )
    return f"CASE {' '.join(whens)} END"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
