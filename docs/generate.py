"""Writes what the docs take from the code: the reference pages and the README's picture. `./dev docs` runs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs.dashboard import dashboard
from engine.autograd.value import Value
from engine.data.samples import describe_samples
from engine.drawing import draw_dot
from engine.spec import describe_options
from service.settings import describe_settings
from service.telemetry.metrics import Figure, catalogue

DOCS = Path(__file__).resolve().parent


def pages() -> dict[Path, str]:
    """Every generated file, by its path, with its text."""
    return {
        DOCS / "reference" / "options.md": options_page(),
        DOCS / "reference" / "settings.md": settings_page(),
        DOCS / "reference" / "metrics.md": metrics_page(),
        DOCS.parent / "deploy" / "grafana" / "gradhouse.json": dashboard(),
        DOCS / "images" / "neuron.svg": neuron_picture(),
    }


def options_page() -> str:
    """The training options: every knob of a job, and the families it chooses from."""
    options = describe_options()
    parts = [
        "# Training options\n\nMade from the code by `./dev docs`; `GET /api/v1/options` says the same as JSON.\n",
        "## Knobs\n",
        _knob_table(options["knobs"]),
        "## Losses\n",
        _table(("name", "for", "meaning"), [(x["name"], ", ".join(x["tasks"]), x["help"]) for x in options["losses"]]),
        'Or your own: `{"expression": "relu(1 - y*s)"}`, a scalar expression over the score `s` and the target `y`.\n',
        "## Activations\n",
        _table(("name", "meaning"), [(x["name"], x["help"]) for x in options["activations"]]),
    ]
    for title in ("optimizers", "schedules", "init_schemes"):
        parts.append(f"## {title.replace('_', ' ').capitalize()}\n")
        for member in options[title]:
            parts.append(f"**{member['name']}**: {member['help']}\n")
            if member["knobs"]:
                parts.append(_knob_table(member["knobs"]))
    parts.append("## Samples\n")
    parts.append(
        _table(
            ("name", "what", "options (default)"),
            [
                (x["name"], x["help"], ", ".join(f"{o['name']} ({o['default']})" for o in x["options"]))
                for x in describe_samples()
            ],
        )
    )
    return "\n".join(parts)


def settings_page() -> str:
    """The service's settings."""
    rows = [(f"`{x['variable']}`", x["type"], f"`{x['default']}`" if x["default"] else "", x["help"]) for x in describe_settings()]
    return (
        "# Settings\n\nMade from the code by `./dev docs`. Times are seconds, sizes bytes.\n\n"
        + _table(("variable", "type", "default", "meaning"), rows)
    )


def metrics_page() -> str:
    """Every figure of `/metrics`."""
    rows = [
        (f"`{_written(x)}`", x.kind, ", ".join(f"`{label}`" for label in x.labels), x.help) for x in catalogue()
    ]
    return (
        "# Metrics\n\nMade from the code by `./dev docs`. `GET /metrics` tells them in Prometheus' text format; "
        "[how to watch the service](../how-to/watch-the-service.md) says what to ask of them.\n\n"
        + _table(("name", "kind", "labels", "meaning"), rows)
    )


def _written(figure: Figure) -> str:
    return f"{figure.name}_total" if figure.kind == "counter" else figure.name


def neuron_picture() -> str:
    """The tutorial's neuron with two inputs, through tanh, after `backward()`."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    x1w1, x2w2 = x1 * w1, x2 * w2
    x1w1.label, x2w2.label = "x1·w1", "x2·w2"
    total = x1w1 + x2w2
    total.label = "x1·w1 + x2·w2"
    n = total + b
    n.label = "n"
    o = n.tanh()
    o.label = "o"
    o.backward()
    return draw_dot(o).svg()


def _knob_table(knobs: list[dict[str, Any]]) -> str:
    rows = [(f"`{x.get('path', '')}`", _rule(x), _default(x), x["help"]) for x in knobs]
    return _table(("knob", "rule", "default", "meaning"), rows)


def _default(knob: dict[str, Any]) -> str:
    if "default" not in knob:
        return "required" if knob.get("path") == "target" else "from the data"
    return "`null`" if knob["default"] is None else f"`{str(knob['default']).lower() if isinstance(knob['default'], bool) else knob['default']}`"


def _rule(schema: dict[str, Any]) -> str:
    """A schema in words."""
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_rule(part) for part in schema["anyOf"])
    if "oneOf" in schema:
        return "a family, see below"
    kind = schema.get("type", "")
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    if low is None and high is None:
        return str(kind)
    left = "" if low is None else f"{low:.15g} {'<' if 'exclusiveMinimum' in schema else '≤'} "
    right = "" if high is None else f" ≤ {high:.16g}"
    return f"{kind}, {left}x{right}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(DOCS.parent)}")
