"""Trust, measured: drawn trainings over HTTP beside the same ones by PyTorch, in float64, epoch by epoch.

`./dev bench judge` starts a service of its own; `--url` judges one that runs. Trials are drawn by
tests/judging: a judge that differs from itself once the rows stand in another order is counted as in doubt.
"""

import tempfile
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import click
import httpx

from tests.judging.over_http import trained
from tests.judging.trials import Trial, drawn
from tests.judging.verdict import DOUBT, TOLERANCE, distance, doubt
from tests.system.service import Service

AT_ONCE = 50


@click.command()
@click.option("--trials", "count", default=200, show_default=True)
@click.option("--first", default=2_000, show_default=True, help="the first trial's seed")
@click.option("--judge", type=click.Choice(["torch", "numpy"]), default="torch", show_default=True)
@click.option("--url", help="a running service, such as http://127.0.0.1:8137")
def main(count: int, first: int, judge: str, url: str | None) -> None:
    """Compare the loss, the validation loss and the gradient's norm of every epoch."""
    seeds = range(first, first + count)
    if url:
        with httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
            report(client, judge, seeds)
        return
    with tempfile.TemporaryDirectory(prefix="gh-judge-") as folder:
        service = Service(Path(folder), {"GRADHOUSE_LOG_LEVEL": "WARNING"})
        try:
            report(service.client, judge, seeds)
        finally:
            service.close()


def report(client: httpx.Client, judge: str, seeds: range) -> None:
    """Prints the worst difference for each optimizer; fails where one passes the tolerance without doubt."""
    history = import_module(f"tests.judging.by_{judge}").history
    worst: dict[str, list[float]] = defaultdict(list)
    failed, doubtful = [], 0
    for start in seeds[::AT_ONCE]:
        trials = [drawn(seed) for seed in range(start, min(start + AT_ONCE, seeds.stop))]
        for trial, (_, rows) in zip(trials, trained(client, trials), strict=True):
            far = distance(history(trial), rows)
            if far > DOUBT and (own := doubt(history, trial)) > DOUBT:
                doubtful += 1
                click.echo(f"  trial {trial.seed}: off by {far:.1e}; the judge from itself by {own:.1e}")
                continue
            worst[trial.spec["optimizer"]["name"]].append(far)
            failed += [trial] if far > TOLERANCE else []
    for name, found in sorted(worst.items()):
        click.echo(f"{name:<8} {len(found):>5} trials, worst {max(found):.1e}")
    click.echo(f"in doubt {doubtful:>4} trials, by their judge's own account")
    if failed:
        raise SystemExit(_told(failed))


def _told(failed: list[Trial]) -> str:
    return "\n".join(f"trial {trial.seed} is beyond {TOLERANCE:g}: {trial.spec}" for trial in failed)


if __name__ == "__main__":
    main()
