"""The house keeps its shape: sizes of files, functions and folders, no import circles by stealth."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for room in ("engine", "service") for path in (ROOT / room).rglob("*.py"))
LONGEST_FILE = 300
LONGEST_FUNCTION = 40


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of a file with its number of lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_stays_readable_in_one_sitting(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines: the design is asking for something"
    long = [(name, size) for name, size in functions(path) if size > LONGEST_FUNCTION]
    assert not long


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_imports_in_secret(path: Path) -> None:
    hidden = [
        node.lineno
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not hidden


def test_most_functions_are_small(record_property: Callable[[str, object], None]) -> None:
    sizes = sorted(size for path in SOURCES for _, size in functions(path))
    half, nine_tenths = statistics.median(sizes), sizes[len(sizes) * 9 // 10]
    record_property("median_function_lines", half)
    record_property("ninth_decile_function_lines", nine_tenths)
    assert half <= 8
    assert nine_tenths <= 20


def test_every_source_file_has_a_test_file() -> None:
    names = [path.relative_to(ROOT).as_posix() for path in SOURCES if path.name != "__init__.py"]
    untested = [name for name in names if not (ROOT / TESTED_BY.get(name, mirror(name))).exists()]
    assert not untested


def mirror(name: str) -> str:
    """Where the tests of a source file stand; tables of errors are one thing, with one test."""
    if name.startswith("service/error_kinds/"):
        return "tests/service/test_error_kinds.py"
    folder, _, file = name.rpartition("/")
    return f"tests/{folder}/test_{file}"


# Files whose tests stand under another name, because they are one thing with another file.
TESTED_BY = {
    "service/api/deliveries.py": "tests/service/api/test_webhooks.py",
    "service/decoding/zygote.py": "tests/service/decoding/test_decoder.py",
    "service/tables/copying.py": "tests/service/operations/test_backup.py",
    "service/tables/deliveries.py": "tests/service/api/test_webhooks.py",
    "service/tables/events.py": "tests/service/api/test_job_events.py",
    "service/tables/retention.py": "tests/service/operations/test_prune.py",
    "service/tables/idempotency.py": "tests/service/api/test_idempotency.py",
}
