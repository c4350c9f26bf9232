"""What runs, asked over HTTP by the command."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from service.cli import main
from service.operations import status
from service.operations.status import Unavailable
from service.settings import Settings
from tests.servers import eventually, free_port
from tests.system.conftest import Start, start  # noqa: F401 - the fixture
from tests.system.load import listens

AWAY: dict[str, Any] = {
    "version": "1.0",
    "uptime_seconds": 7_300,
    "versions": {"database": None},
    "database": "away",
    "broker": "ok",
    "queue": {"depth": None, "age_seconds": None},
    "jobs": None,
    "workers": [],
}


@pytest.mark.system
def test_a_running_service_is_told_in_lines_and_as_json(start: Start) -> None:  # noqa: F811 - the fixture
    port = free_port()
    start("api", port=port)
    eventually(lambda: listens(port), what="the API answers")
    plain = CliRunner().invoke(main, ["status", "--port", str(port)])
    assert plain.exit_code == 0, plain.output
    assert "database  ok, revision 0" in plain.output
    assert "workers   none: jobs wait; `gradhouse worker` starts one" in plain.output
    as_json = CliRunner().invoke(main, ["status", "--url", f"http://127.0.0.1:{port}", "--json"])
    assert json.loads(as_json.stdout)["broker"] == "ok"


def test_nobody_there_is_exit_code_three_with_a_remedy() -> None:
    answer = CliRunner().invoke(main, ["status", "--port", str(free_port())])
    assert answer.exit_code == 3
    assert answer.stdout == ""
    assert "`gradhouse up` starts a service" in answer.stderr


class Stranger(BaseHTTPRequestHandler):
    """Somebody else's server."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1]))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def stranger() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("answered", "code"), [(401, 4), (502, 5)])
def test_refusals_and_failures_have_exit_codes_of_their_own(stranger: str, answered: int, code: int) -> None:
    with pytest.raises(Unavailable, match="is this a gradhouse") as refused:
        status.run(Settings(), url=f"{stranger}/{answered}", key=None)
    assert refused.value.exit_code == code


def test_a_refusal_of_ours_is_told_in_its_own_words() -> None:
    problem = {"detail": "the request has no key", "hint": "Send one."}
    answer = httpx.Response(401, json=problem, headers={"Content-Type": "application/problem+json"})
    assert status._reason(answer) == "the request has no key. Send one."


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    lines = status.shown(AWAY).splitlines()
    assert "up for 2 h" in lines[0]
    assert "queue     unknown jobs, the oldest waits unknown" in lines
