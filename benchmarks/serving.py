"""Predictions over real HTTP, ours and others', side by side in one run: `./dev bench serving`.

Every server answers on this machine, one after the other, with the load of wrk (Debian: apt install wrk) on
the same cores. Ratios mean something, absolute numbers are this machine's. No server logs its requests.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click
import numpy as np
import orjson

from benchmarks.http_load import CONNECTIONS, Load, Measured, measure, require_wrk
from benchmarks.serving_models import keep_models, row_kernel_seconds
from benchmarks.serving_servers import OURS, TENSORS, Server, mlserver, servers, serving
from benchmarks.serving_training import print_with_training

Results = dict[tuple[str, str], Measured]


@click.command()
@click.option("--seconds", default=4.0, show_default=True, help="For each measurement.")
@click.option("--training/--no-training", default=True, help="Predict while jobs train, too.")
def main(seconds: float, *, training: bool) -> None:
    """Measure predictions of one row, of 1,000 rows, and of 10,000 rows in binary."""
    require_wrk()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = keep_models(folder)
        everyone = servers(folder)
        if (peer := mlserver(folder)) is not None:
            everyone.append(peer)
        results: Results = {}
        for server in everyone:
            loads = loads_for(server, rows)
            with serving(server, folder, loads[0]) as port:
                for load in loads:
                    url = f"http://127.0.0.1:{port}{server.path}"
                    results[server.name, load.name] = measure(url, load, folder, seconds)
        report(results)
        report_kernel(results, folder, rows)
        if training:
            print_with_training(folder, loads_for(everyone[0], rows)[0], seconds)


def loads_for(server: Server, rows: np.ndarray) -> list[Load]:
    """The requests as this server reads them: 30 numbers a row."""
    body = _tensor_body if server.dialect == TENSORS else _instances_body
    loads = [
        Load("1 row", body(rows[:1])),
        Load("1,000 rows", body(np.resize(rows, (1_000, rows.shape[1])))),
    ]
    if server.dialect == OURS:
        many = np.resize(rows, (10_000, rows.shape[1])).tobytes()
        raw = "application/octet-stream"
        loads.append(Load("10,000 rows, binary", many, raw, raw))
    return loads


def _instances_body(rows: np.ndarray) -> bytes:
    return orjson.dumps({"instances": rows.tolist()})


def _tensor_body(rows: np.ndarray) -> bytes:
    tensor = {"name": "input", "shape": list(rows.shape), "datatype": "FP64", "data": rows.tolist()}
    return orjson.dumps({"inputs": [tensor], "outputs": [{"name": "predict_proba"}]})


def report(results: Results) -> None:
    """A table for each kind of request."""
    for kind in dict.fromkeys(kind for _, kind in results):
        print(f"\n{kind}, {CONNECTIONS} connections")
        print(f"{'':42}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'ours / it':>11}")
        ours = results["gradhouse", kind]
        for (name, measured_kind), got in results.items():
            if measured_kind == kind:
                note = "  (refused)" if got.failed else ""
                ratio = ours.per_second / got.per_second
                print(f"{name:42}{got.per_second:12.0f}{got.p50:10.2f}{got.p99:10.2f}{ratio:11.2f}{note}")


def report_kernel(results: Results, folder: Path, rows: np.ndarray) -> None:
    """How much of a core's time on 10,000 rows is the network's own arithmetic; the rest moves bytes."""
    kernel = 10_000 * row_kernel_seconds(folder, rows)
    request = (os.cpu_count() or 1) / results["gradhouse", "10,000 rows, binary"].per_second
    share = f"{kernel * 1e3:.2f} of the {request * 1e3:.2f} ms that a request takes of all cores"
    print(f"\n10,000 rows: the network's kernel has {share}, {kernel / request:.0%}")


if __name__ == "__main__":
    main()
