"""A real S3-speaking server, and buckets in it."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from tests.servers import eventually, free_port

_numbers = count()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    eventually(lambda: _answers(address), seconds=120, what="the S3 server answers")
    yield address
    process.terminate()
    process.wait(10)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code < 500
    except httpx.TransportError:
        return False


@pytest.fixture
def bucket_settings(s3_server: str, tmp_path: Path) -> Settings:
    """Settings with a bucket that nothing is in."""
    name = f"gradhouse-{next(_numbers)}"
    assert httpx.put(f"{s3_server}/{name}").is_success
    return Settings(
        data_dir=tmp_path,
        s3_bucket=name,
        s3_prefix="here",
        s3_endpoint=s3_server,
        s3_access_key_id="a key",
        s3_secret_access_key="a secret",
    )
