"""A CSV of 100 MB from bytes to a stored table: seconds and peak memory, in a process of its own.

.venv/bin/python -m benchmarks.data
.venv/bin/python -m benchmarks.data --rows 60000
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

ROWS, NUMBERS = 600_000, 18


def write_csv(path: Path, rows: int) -> None:
    """Eighteen columns of numbers, one of words, one of classes: 95 MB for 600,000 rows."""
    draw = np.random.default_rng(1)
    columns = {f"x{i}": draw.normal(size=rows).round(5) for i in range(NUMBERS)}
    words = draw.choice(["red", "green", "blue"], rows)
    pl.DataFrame(columns | {"word": words, "y": draw.integers(0, 2, rows)}).write_csv(path)


def measure(path: Path) -> None:
    """Reads, profiles and packs one file, and prints what each step took."""
    from engine.data.formats import read_table

    began = time.perf_counter()
    with path.open("rb") as file:
        table = read_table(file, "text/csv")
    read = time.perf_counter()
    table.profile()
    profiled = time.perf_counter()
    packed = len(table.to_parquet())
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{path.stat().st_size / 1e6:.0f} MB, {table.row_count:,} rows, {len(table.columns)} columns")
    print(f"read {read - began:.2f} s, profile {profiled - read:.2f} s, Parquet {done - profiled:.2f} s")
    print(f"in all {done - began:.2f} s, {packed / 1e6:.0f} MB stored, peak memory {peak:.0f} MB")


def main() -> None:
    """Writes the file here, and reads it in another process: this one's memory must not count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.file is not None:
        measure(options.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        write_csv(path, options.rows)
        subprocess.run([sys.executable, "-m", "benchmarks.data", "--file", str(path)], check=True)


if __name__ == "__main__":
    main()
