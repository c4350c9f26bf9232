"""What processes need of each other: to die together, to share memory, to tell if another is still there."""

import ctypes
import gc
import os
import signal
import socket
import sys
import uuid
from functools import cache
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Makes the kernel kill this process when its parent dies: nobody is left behind (Linux only).

    `parent` is the process id of the parent that the caller expects: if it is dead already, this ends here.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def keep_for_good() -> None:
    """Hides what there is now from the garbage collector: call it before forks, and once all is loaded.

    A child shares its parent's pages until one of the two writes, and to look at an object is to write to it.
    """
    gc.collect()
    gc.freeze()


@cache
def host() -> str:
    """Where this process runs: process ids mean something between two processes with the same host only.

    A host name alone does not say it: containers can share one and still count their processes apart.
    """
    namespace = Path("/proc/self/ns/pid")
    number = namespace.stat().st_ino if namespace.exists() else 0
    return f"{socket.gethostname()[:60]}/{_boot()}-{number}"


def _boot() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text()[:8] if boot.exists() else "0"


def worker_name() -> str:
    """A name for this process that no other ever has: host, parent, process and a random end."""
    return f"{worker_prefix(os.getppid())}{os.getpid()}:{uuid.uuid4().hex[:8]}"


def worker_prefix(parent: int) -> str:
    """How the names of all the children of a worker's main process begin."""
    return f"{host()}:{parent}:"


def shown_name(worker: str) -> str:
    """A worker's or a training process's name for people: the host and the process ids.

    >>> shown_name("trainer-7/1f2e3d4c-4026531836:4711:")
    'trainer-7:4711'
    """
    place, *ids = worker.rstrip(":").split(":")
    return ":".join([place.partition("/")[0], *(number for number in ids if number.isdecimal())])


def is_gone(worker: str) -> bool:
    """Says whether the process of this name is dead for certain; False for those of other hosts."""
    place, _parent, process, _end = worker.rsplit(":", 3)
    if place != host():
        return False
    try:
        os.kill(int(process), 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False
