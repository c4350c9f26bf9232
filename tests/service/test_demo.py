"""The demo's journey, where it ends early; tests/service/test_cli.py makes the whole of it."""

from pathlib import Path

import pytest

from service.demo import DemoFailed, free_port, run
from service.settings import Settings


def test_a_service_that_cannot_start_ends_the_demo_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(data_dir=tmp_path / "file" / "below", port=free_port())
    with pytest.raises(DemoFailed, match="did not start"):
        run(settings, keep=True)
