"""Several hosts on one machine: network namespaces around one switch, whose cables can be pulled."""

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

SUBNET = "10.77.0"
_NEW_NET, _NEW_UTS = 0x40000000, 0x04000000
_libc = ctypes.CDLL(None, use_errno=True)


def require_namespaces() -> None:
    """Skips the test, loudly, on a machine that gives no namespaces; in CI that is an error where it must."""
    if os.geteuid() == 0 and shutil.which("ip") is not None:
        return  # should the kernel refuse now, the test fails, and says so
    reason = "hosts in namespaces need root and iproute2: faults of the network were NOT tested"
    pytest.skip(reason)


class Host:
    """A host of its own name, address and cable. Processes started inside `entered` live on it."""

    def __init__(self, name: str, number: int, switch: str) -> None:
        self.address = f"{SUBNET}.{number}"
        self._namespace, self._switch, self._port = f"{switch}-{name}", switch, f"port{number}"
        _ip("netns", "add", self._namespace)
        peer = ("type", "veth", "peer", "name", self._port, "netns", switch)
        _ip("link", "add", "eth0", "netns", self._namespace, *peer)
        for words in (
            ("addr", "add", f"{self.address}/24", "dev", "eth0"),
            ("link", "set", "lo", "up"),
            ("link", "set", "eth0", "up"),
        ):
            _ip("-n", self._namespace, *words)
        _ip("-n", switch, "link", "set", self._port, "up")
        self.plug()
        self._net = os.open(f"/var/run/netns/{self._namespace}", os.O_RDONLY | os.O_CLOEXEC)
        self._uts = _named(name)

    def plug(self) -> None:
        """Puts its cable into the switch."""
        _ip("-n", self._switch, "link", "set", self._port, "master", "switch")

    def unplug(self) -> None:
        """Pulls the cable: what is sent from now on is lost without a word."""
        _ip("-n", self._switch, "link", "set", self._port, "nomaster")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """In the block, this thread is on the host, and so are the threads and processes that it starts."""
        here = Path("/proc/thread-self/ns")
        with (here / "net").open("rb") as net, (here / "uts").open("rb") as uts:
            try:
                _enter(self._net, _NEW_NET)
                _enter(self._uts, _NEW_UTS)
                yield
            finally:
                _enter(net.fileno(), _NEW_NET)
                _enter(uts.fileno(), _NEW_UTS)

    def close(self) -> None:
        """Takes the host down; its processes must have ended."""
        os.close(self._net)
        os.close(self._uts)
        _ip("netns", "del", self._namespace)


@contextmanager
def network(*names: str) -> Iterator[dict[str, Host]]:
    """Hosts by name, on one switch; nothing of them is left afterwards."""
    switch = f"gh{os.getpid()}"
    with ExitStack() as stack:
        _ip("netns", "add", switch)
        stack.callback(_ip, "netns", "del", switch)
        _ip("-n", switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", switch, "link", "set", "switch", "up")
        hosts = {}
        for number, name in enumerate(names, start=1):
            hosts[name] = Host(name, number, switch)
            stack.callback(hosts[name].close)
        yield hosts


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def _named(name: str) -> int:
    """A handle to a new namespace in which the machine has this name: workers tell hosts apart by it."""
    handles: list[int] = []

    def unshare() -> None:
        _check(_libc.unshare(_NEW_UTS))
        socket.sethostname(name)
        handles.append(os.open("/proc/thread-self/ns/uts", os.O_RDONLY | os.O_CLOEXEC))

    thread = threading.Thread(target=unshare)  # which ends, and leaves all others where they were
    thread.start()
    thread.join()
    return handles[0]


def _enter(handle: int, kind: int) -> None:
    _check(_libc.setns(handle, kind))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
