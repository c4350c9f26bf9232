"""A service that asks for keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import ValkeyServer
from tests.service.keyed import Keyed, keyed_service


@pytest.fixture
def keyed(tmp_path: Path, migrated_sqlite: Path, valkey: ValkeyServer) -> Iterator[Keyed]:
    """A service of the test's own that asks for keys."""
    with keyed_service(tmp_path, migrated_sqlite, valkey) as service:
        yield service
