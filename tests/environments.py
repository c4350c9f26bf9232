"""Environments of their own for clients whose pins clash with ours: made once, kept in pytest's cache."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

INSTALL_SECONDS = 600
_READY = "installed"


def environment_with(config: pytest.Config, *packages: str) -> Path:
    """The folder of programs of an environment with these packages; skips loudly where none can be made."""
    name = sha256(" ".join((*packages, sys.version)).encode()).hexdigest()[:12]
    folder = Path(config.cache.mkdir("environments")) / name if config.cache else None
    assert folder is not None, "environments are kept in pytest's cache, which -p no:cacheprovider takes away"
    programs = folder / "bin"
    if not (folder / _READY).exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, capture_output=True)
        install = [str(programs / "python"), "-m", "pip", "install", "--quiet", *packages]
        done = subprocess.run(install, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        if done.returncode:
            reason = f"{packages} could NOT be installed, so the client was NOT tried: {done.stderr[-300:]}"
            assert "CI" not in os.environ, reason
            pytest.skip(reason)
        (folder / _READY).touch()
    return programs


def output_of(program: Path, *words: str) -> str:
    """What a program prints; fails with its complaints where it fails."""
    done = subprocess.run([program, *words], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
