"""The process that decodes: ready beforehand, it forks for each file a child with bounds, which may die.

A damaged file can make a native decoder ask for memory that no machine has, or call itself until its stack
ends; either ends the process, and no `except` sees it. Knows no settings, no database and no HTTP.
"""

import json
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from engine.data.reading.formats import convert
from engine.data.reading.options import Bounds, Reading
from engine.errors import BadData
from service.processes import die_with_parent, keep_for_good

BEGUN = b"."  # "here I am": what a child says first (an end after it is the file's doing), and who is asked
END = b"\n"  # an answer without it was cut off
LARGEST_QUESTION = 2**20


def main(door: socket.socket) -> None:
    """Forks for every three files that come through the door: a conversation, a source and a target.

    Whoever sends none asks whether this is there.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the end is that of the process behind the door
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no child is waited for
    keep_for_good()
    zygote = os.getpid()
    while True:
        said, descriptors, _, _ = socket.recv_fds(door, 1, 3)
        if not said:
            return
        if not descriptors:
            door.sendall(BEGUN)
        elif os.fork() == 0:
            die_with_parent(zygote)
            door.close()
            _answer(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _answer(conversation: int, source: int, target: int) -> None:
    """Reads the question, works on it within its bounds, and ends this process."""
    with socket.socket(fileno=conversation) as talk:
        talk.sendall(BEGUN)
        question = json.loads(_all_of(talk))
        _bound(question["bytes"], question["seconds"])
        with os.fdopen(source, "rb") as file, os.fdopen(target, "rb+") as made:
            file.seek(0)
            answer = _outcome(lambda: _convert(question, file, made))
        talk.sendall(json.dumps(answer).encode() + END)
    os._exit(0)


def _all_of(talk: socket.socket) -> bytes:
    with talk.makefile("rb") as asked:
        return asked.read(LARGEST_QUESTION)


def _bound(size: int, seconds: float) -> None:
    """So much memory and time for this process, and no larger file; where memory ends, it goes first."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)  # nobody handles its signal, so it ends the process
    with suppress(OSError):  # another system than Linux
        Path("/proc/self/oom_score_adj").write_text("1000")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())  # what a decoder says when it dies would fill the log


def _convert(question: Mapping[str, Any], source: BinaryIO, target: BinaryIO) -> dict[str, Any]:
    bounds = Bounds(**question["bounds"])
    reading = Reading(question["types"], frozenset(question["nulls"]))
    return convert(source, question["media_type"], target, bounds, reading).to_document()


def _outcome(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A profile, or what is wrong with the file, or what the system refused, or a fault of ours."""
    try:
        return {"profile": work()}
    except BadData as error:
        return {"problems": [asdict(problem) for problem in error.problems]}
    except MemoryError:
        os.abort()
    except OSError as error:
        return {"system": [error.errno, error.strerror]}
    except Exception:  # noqa: BLE001 - the edge of this process: whoever asked raises it
        return {"fault": traceback.format_exc()}


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
