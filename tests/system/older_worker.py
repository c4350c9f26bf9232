"""A worker of an older version, for the tests: its NumPy executor's arithmetic has another name."""

from __future__ import annotations

import sys

from engine.execution.arrays import ArrayExecutor
from service.cli import main

if __name__ == "__main__":
    ArrayExecutor.numerics = "arrays-0"
    main(sys.argv[1:])
