"""Processes that die together, and tell who is still there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.processes import host, is_gone, worker_name, worker_prefix
from tests.servers import eventually

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "from service.processes import die_with_parent as d; d(); \
print('there', flush=True); import time; time.sleep(600)"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
import time; time.sleep(600)
"""


def test_a_child_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()
    eventually(lambda: not Path(f"/proc/{child}").exists(), what="the child is gone")


def test_a_child_whose_parent_is_dead_already_ends_at_once() -> None:
    code = "from service.processes import die_with_parent; die_with_parent(1 << 30); print('alive')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")


def test_names_of_workers_never_repeat_and_say_where_they_are() -> None:
    names = {worker_name() for _ in range(10)}
    assert len(names) == 10
    assert all(name.startswith(worker_prefix(os.getppid())) and len(name) <= 120 for name in names)


def test_a_dead_process_is_told_from_a_living_and_from_one_elsewhere() -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    assert is_gone(f"{host()}:1:{dead.pid}:ab12cd34")
    assert not is_gone(worker_name())
    assert not is_gone(f"elsewhere/0-1:1:{dead.pid}:ab12cd34")


_PRIVATE_AFTER_A_LOOK = """
import gc, os, re, sys
from pathlib import Path

from service.processes import keep_for_good

def private():
    return sum(map(int, re.findall(r"Private_Dirty: +([0-9]+)", Path("/proc/self/smaps").read_text())))

loaded = [[number] for number in range(200_000)]
if sys.argv[1] == "kept":
    keep_for_good()
if (child := os.fork()) == 0:
    before = private()
    gc.collect()
    print((private() - before) // 1024, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_child_shares_what_its_parent_keeps_for_good() -> None:
    def mebibytes(how: str) -> int:
        command = [sys.executable, "-c", _PRIVATE_AFTER_A_LOOK, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert mebibytes("kept") < 2
    assert mebibytes("not kept") > 10  # else the test could not fail
