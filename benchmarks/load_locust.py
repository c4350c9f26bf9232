"""Locust's users of `./dev bench load`, run for a while: what they have asked, and how long it took."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks.load_service import Service

USERS = 16
PACED_USERS = 64  # who waits for a slow answer asks less: others must be there to keep the pace
FIRST_SECONDS = 4  # in which paced users come, one after the other
SECOND = {"delete dataset", "stream", "stream, refused"}  # what follows another request in the same task


@dataclass
class Figures:
    """What was asked in so many seconds, by kind of request."""

    seconds: float = 0.0
    took: dict[str, Counter[float]] = field(default_factory=dict)  # ms, as Locust rounds them: how often
    failed: Counter[str] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=dict)  # ms

    def add(self, other: Figures) -> None:
        """Takes in what was asked another time."""
        self.seconds += other.seconds
        self.failed += other.failed
        for kind, took in other.took.items():
            self.took[kind] = self.took.get(kind, Counter()) + took
            self.longest[kind] = max(self.longest.get(kind, 0.0), other.longest[kind])

    @property
    def tasks_a_second(self) -> float:
        """How many tasks were begun: a pace is one of tasks, and some ask twice."""
        return sum(took.total() for kind, took in self.took.items() if kind not in SECOND) / self.seconds

    def quantile(self, kind: str, share: float) -> float:
        """The time that this share of the requests of a kind did not exceed, in ms."""
        took, seen = self.took[kind], 0
        for value in sorted(took):
            seen += took[value]
            if seen >= share * took.total():
                return value
        return 0.0

    def report(self) -> None:
        """Prints a table."""
        heads = ("requests", "failed", "per s", "p50 ms", "p99 ms", "max ms")
        click.echo(f"  {'':18}" + "".join(f"{head:>10}" for head in heads))
        whole = Figures(self.seconds, {"all": sum(self.took.values(), Counter())})
        whole.failed, whole.longest = Counter(all=self.failed.total()), {"all": max(self.longest.values())}
        for figures in (self, whole):
            for kind in sorted(figures.took):
                figures.report_kind(kind)

    def report_kind(self, kind: str) -> None:
        """Prints a line."""
        count = self.took[kind].total()
        times = (self.quantile(kind, 0.5), self.quantile(kind, 0.99), self.longest[kind])
        numbers = f"{count:10}{self.failed[kind]:10}{count / self.seconds:10.1f}"
        click.echo(f"  {kind:18}{numbers}" + "".join(f"{each:10.0f}" for each in times))


def locust(service: Service, variables: dict[str, str], seconds: float, rate: float) -> Figures:
    """Lets the users begin so many tasks a second, 0: as many as go; prints what has failed."""
    users = PACED_USERS if rate else USERS
    out = service.folder.with_name("users")
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("load_users.py"))]
    command += [
        "--headless",
        f"-u{users}",
        f"-r{users / (FIRST_SECONDS if rate else 1)}",
        f"-t{seconds:.0f}s",
    ]
    command += ["--host", service.address, "--csv", str(out), "--json", "--loglevel", "ERROR"]
    command += ["--exit-code-on-error", "0"]
    environment = {**os.environ, **variables, "LOAD_RATE": str(rate / users)}
    said = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
    with Path(f"{out}_failures.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            click.echo(f"  failed: {row['Name']} {row['Error']} x {row['Occurrences']}")
    return _figures(json.loads(said), seconds)


def _figures(kinds: Iterable[dict[str, Any]], seconds: float) -> Figures:
    found = Figures(seconds)
    for each in kinds:
        name = str(each["name"])
        took = Counter({float(value): count for value, count in each["response_times"].items()})
        found.took[name] = found.took.get(name, Counter()) + took
        found.failed[name] += each["num_failures"]
        found.longest[name] = max(found.longest.get(name, 0.0), each["max_response_time"])
    return found
