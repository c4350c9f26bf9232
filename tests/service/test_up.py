"""`gradhouse up`: what it needs before it starts, and what it says."""

import os
import socket
from pathlib import Path

import pytest

from service.settings import Settings
from service.up import CannotStart, _own, _runtime_folder, address, banner, broker_part, require_free_port
from tests.servers import free_port


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f"cannot listen on 127.0.0.1:{port}: .* try --port {port + 1}"):
            require_free_port("127.0.0.1", port)
    require_free_port("127.0.0.1", free_port())


def test_a_data_directory_belongs_to_one_service(tmp_path: Path) -> None:
    with _own(tmp_path / "data"):
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0
        with pytest.raises(CannotStart, match="in use by another gradhouse"), _own(tmp_path / "data"):
            pass
    with _own(tmp_path / "data"):
        pass


def test_a_data_directory_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CannotStart, match=r"cannot keep data in .*: Not a directory"),
        _own(tmp_path / "file" / "x"),
    ):
        pass


def test_a_data_directory_too_deep_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    with _runtime_folder(deep) as short:
        assert len(os.fsencode(short / "broker.sock")) < 100
        assert short.stat().st_mode & 0o077 == 0
    assert not short.exists()
    with _runtime_folder(Path("/srv/gradhouse")) as folder:
        assert folder == Path("/srv/gradhouse")


def test_the_broker_listens_on_its_socket_alone_and_forgets_no_message(tmp_path: Path) -> None:
    command = " ".join(broker_part(tmp_path / "broker.sock").command)
    assert "--port 0" in command
    assert "--maxmemory-policy noeviction" in command


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8137"),
        ("0.0.0.0", "http://127.0.0.1:8137"),
        ("::1", "http://[::1]:8137"),
        ("10.0.0.7", "http://10.0.0.7:8137"),
    ],
)
def test_the_address_is_one_that_this_machine_reaches(host: str, url: str) -> None:
    assert address(Settings(host=host)) == url
    assert banner(Settings(host=host)).count(f"{url}/api/v1/") == 3
