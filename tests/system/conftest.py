"""Real processes for the system tests; whatever a test does to them, none is left."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.data.samples import make_sample
from engine.spec import parse_spec
from engine.training.trainer import Trainer
from service.settings import Settings
from tests.servers import Command, PostgresServer
from tests.system.outcomes import EPOCHS
from tests.training import MOONS, SEED_JOB

Start = Callable[..., Command]


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Starts `gradhouse` commands with the test's settings, and changes to them."""
    started: list[Command] = []

    def start_command(*words: str, **changes: object) -> Command:
        variables = {f"GRADHOUSE_{name.upper()}": str(value) for name, value in changes.items()}
        log = tmp_path / f"{len(started)}-{words[0]}.log"
        started.append(Command(*words, environment=settings.environment() | variables, log=log))
        return started[-1]

    yield start_command
    for command in started:
        command.close()


@pytest.fixture(scope="session")
def wanted() -> str:
    """The digest of the model that an undisturbed training of EPOCHS gives, from the engine alone."""
    table = make_sample("moons", MOONS)
    document = {**SEED_JOB, "training": {**SEED_JOB["training"], "epochs": EPOCHS}}
    trainer = Trainer(parse_spec(document, table.profile()), table, executor="arrays")
    for _ in trainer.blocks():
        pass
    return trainer.result().model.sha256


@pytest.fixture
def fragile_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, to be killed."""
    server = PostgresServer()
    server.execute("CREATE DATABASE migrated")
    yield server
    server.stop()
