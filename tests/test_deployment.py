"""The image and the compose file name commands, settings and files that exist; no container runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Command, Context, Group

from service.cli import main
from service.settings import describe_settings

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    command: Command = main
    for word in SERVICES[name]["command"]:
        assert isinstance(command, Group)
        found = command.get_command(Context(command), word)
        assert found is not None, f"gradhouse has no command {word}"
        command = found


@pytest.mark.parametrize("name", OURS)
def test_a_service_sets_settings_that_exist(name: str) -> None:
    known = {setting["variable"] for setting in describe_settings()}
    assert set(SERVICES[name]["environment"]) <= known


def test_nothing_starts_before_what_it_needs_is_healthy() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[needed], f"{name} waits for the health of {needed}"
    assert {"postgres", "redis", "migrate", "api", "worker", "sweeper"} == set(SERVICES)


def test_the_api_is_published_on_loopback_alone() -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["api"]["ports"])


def test_the_image_copies_files_that_exist_and_runs_without_root() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    missing = [name for names in copied for name in names if not (ROOT / name).exists()]
    assert not missing
    assert any(re.fullmatch(r"USER (?!root)\w+", line) for line in lines)
