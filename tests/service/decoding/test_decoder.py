"""Binary files are decoded elsewhere: what they do there ends no process of ours, and is bounded."""

import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import polars as pl
import pytest

from engine.data.reading.formats import read_table
from engine.data.reading.options import USUAL_BOUNDS, USUAL_READING, Bounds, Reading
from engine.data.table import Table
from engine.errors import BadData
from service.decoding import decoder as decoding
from service.decoding.decoder import DECODED_ELSEWHERE, Decoder
from service.errors import ServiceError
from service.settings import Settings
from tests.servers import eventually
from tests.service.decoding.damaged import parquet_of_a_monstrous_page

FRAME = pl.DataFrame({"x": [0.5, None, 2.5] * 20, "y": ["a", "b", None] * 20, "z": [True, False, None] * 20})
SLOW_FILE = pl.DataFrame({f"x{i}": pl.Series(range(200_000), dtype=pl.Float64).shuffle(i) for i in range(40)})
PARQUET, ARROW, STREAM = sorted(DECODED_ELSEWHERE, key=lambda kind: ("parquet" not in kind, kind))


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    """As the settings make it."""
    made = Decoder(Settings())
    yield made
    made.close()


@contextmanager
def decoder_with(**settings: float) -> Iterator[Decoder]:
    """A decoder with other bounds."""
    made = Decoder(replace(Settings(), **settings))  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()


def written(kind: str, frame: pl.DataFrame = FRAME) -> io.BytesIO:
    """The frame as a file in memory."""
    buffer = io.BytesIO()
    how: dict[str, Callable[[io.BytesIO], object]] = {
        PARQUET: frame.write_parquet,
        ARROW: frame.write_ipc,
        STREAM: frame.write_ipc_stream,
    }
    how[kind](buffer)
    return buffer


def children_of(process: int) -> list[int]:
    """The processes that a process has forked."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def open_files(process: int | str) -> int:
    """How many files a process holds open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def zygote_of(decoder: Decoder) -> int:
    """The process that forks."""
    assert decoder._zygote is not None
    return decoder._zygote.process.pid


@pytest.mark.parametrize("kind", sorted(DECODED_ELSEWHERE))
def test_a_sound_file_is_read_as_if_it_were_read_here(decoder: Decoder, kind: str) -> None:
    there = decoder.read_table(written(kind), kind, USUAL_BOUNDS, USUAL_READING)
    here = read_table(written(kind).getvalue(), kind)
    assert there.to_parquet() == here.to_parquet()
    assert there.profile() == here.profile()


def test_a_file_is_converted_into_the_bytes_that_a_table_has(decoder: Decoder) -> None:
    with tempfile.TemporaryFile() as target:
        profile = decoder.convert(written(PARQUET), PARQUET, target, USUAL_BOUNDS, USUAL_READING)
        target.seek(0)
        table = read_table(written(PARQUET).getvalue(), PARQUET)
        assert target.read() == table.to_parquet()
    assert profile == table.profile()


def test_a_spooled_file_is_read_whole(decoder: Decoder) -> None:
    with tempfile.SpooledTemporaryFile(max_size=2**20) as spooled:
        spooled.write(written(PARQUET).getvalue())
        table = decoder.read_table(cast("BinaryIO", spooled), PARQUET, USUAL_BOUNDS, USUAL_READING)
    assert table.row_count == 60


def test_problems_come_back_as_they_are(decoder: Decoder) -> None:
    frame = pl.DataFrame({"x": [1.0, float("inf"), float("nan")]})
    with pytest.raises(BadData) as refused:
        decoder.read_table(written(PARQUET, frame), PARQUET, USUAL_BOUNDS, USUAL_READING)
    with pytest.raises(BadData) as expected:
        read_table(written(PARQUET, frame).getvalue(), PARQUET)
    assert refused.value.problems == expected.value.problems


def test_bounds_and_types_are_obeyed_there(decoder: Decoder) -> None:
    with pytest.raises(BadData, match="more than 10 rows"):
        decoder.read_table(written(PARQUET), PARQUET, Bounds(max_rows=10), USUAL_READING)
    table = decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, Reading({"x": "category"}))
    assert table.column("x").type == "category"


def test_a_file_that_ends_its_process_is_refused(decoder: Decoder) -> None:
    body = parquet_of_a_monstrous_page()
    for _ in range(3):
        with pytest.raises(BadData, match="ended the process that decoded it: it is damaged") as refused:
            decoder.read_table(io.BytesIO(body), PARQUET, USUAL_BOUNDS, USUAL_READING)
        assert refused.value.problems[0].code == "undecodable"
        assert refused.value.problems[0].hint
    zygote = zygote_of(decoder)
    assert decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING).row_count == 60
    assert zygote_of(decoder) == zygote
    eventually(lambda: not children_of(zygote), what="no child is left")


def test_a_file_that_needs_more_memory_than_allowed_is_refused() -> None:
    text = "x" * 1_000_000
    frame = pl.DataFrame({"x": [f"{i}{text}" for i in range(400)]})  # packs well, and unpacks to 400 MB
    with decoder_with(decoder_bytes=256 * 2**20) as decoder:
        with pytest.raises(BadData, match=r"more than 268,435,456 bytes of memory \(decoder_bytes\)"):
            decoder.read_table(written(PARQUET, frame), PARQUET, USUAL_BOUNDS, USUAL_READING)
        assert decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING).row_count == 60


def test_a_file_that_takes_too_long_is_refused() -> None:
    with decoder_with(decoder_seconds=0.1) as decoder:
        with pytest.raises(BadData, match=r"longer than 0.1 s \(decoder_seconds\)"):
            decoder.read_table(written(PARQUET, SLOW_FILE), PARQUET, USUAL_BOUNDS, USUAL_READING)
        eventually(lambda: not children_of(zygote_of(decoder)), what="the child is gone")


def test_more_files_than_places_wait_and_are_then_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "PATIENCE_SECONDS", 0.05)
    with decoder_with(max_decoders=1) as decoder, decoder._place():
        with pytest.raises(ServiceError, match="max_decoders") as refused:
            decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING)
        assert refused.value.status == 503
        assert refused.value.headers["Retry-After"]


def test_many_threads_read_at_once() -> None:
    with decoder_with(max_decoders=4) as decoder:
        read: list[int] = []

        def work() -> None:
            for _ in range(5):
                table = decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING)
                read.append(table.row_count)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read == [60] * 20


def test_a_killed_decoding_process_is_replaced(decoder: Decoder) -> None:
    decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING)
    os.kill(zygote_of(decoder), signal.SIGKILL)
    assert decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING).row_count == 60


def in_a_thread(decoder: Decoder, frame: pl.DataFrame = SLOW_FILE) -> "Future[Table]":
    """A file that is decoded meanwhile."""
    source = written(PARQUET, frame)
    pool = ThreadPoolExecutor(1)
    reading = pool.submit(decoder.read_table, source, PARQUET, USUAL_BOUNDS, USUAL_READING)
    pool.shutdown(wait=False)
    return reading


def child_at_work(decoder: Decoder) -> int:
    """The process that decodes a file, as soon as there is one."""
    eventually(lambda: decoder._zygote, what="the decoding process starts")
    return eventually(lambda: children_of(zygote_of(decoder)), what="a file is being decoded")[0]


def test_a_file_is_not_blamed_for_the_end_of_the_decoding_process(decoder: Decoder) -> None:
    reading = in_a_thread(decoder)
    child_at_work(decoder)
    os.kill(zygote_of(decoder), signal.SIGKILL)
    assert reading.result(30).row_count == SLOW_FILE.height


def test_a_decoding_process_that_says_nothing_is_ended_once_and_replaced(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING)
    silent = zygote_of(decoder)
    started = [decoding._start() for _ in range(2)]
    monkeypatch.setattr(decoding, "_start", started.pop)
    monkeypatch.setattr(decoding, "START_SECONDS", 4.0)
    os.kill(silent, signal.SIGSTOP)
    both = [in_a_thread(decoder, FRAME) for _ in range(2)]
    assert [reading.result(30).row_count for reading in both] == [60, 60]
    assert _gone(silent)
    [unused] = started
    unused.end()


def test_a_child_that_stands_still_is_late_and_no_fault_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    children, answer = [], decoding._answer
    with decoder_with(decoder_seconds=2.0) as one:

        def of_one_that_stands_still(talk: socket.socket, question: dict[str, Any]) -> dict[str, Any] | None:
            children.append(child_at_work(one))  # it has begun, and waits for the question
            os.kill(children[-1], signal.SIGSTOP)
            return answer(talk, question)

        one.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING)
        eventually(lambda: not children_of(zygote_of(one)), what="the first child is gone")
        monkeypatch.setattr(decoding, "START_SECONDS", 2.0)
        monkeypatch.setattr(decoding, "_answer", of_one_that_stands_still)
        with pytest.raises(BadData, match=r"longer than 2 s \(decoder_seconds\)"):
            one.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING)
        [child] = children
        os.kill(child, signal.SIGCONT)
        eventually(lambda: _gone(child), what="its time was up long ago")


def test_a_polite_signal_to_the_group_leaves_it_to_us_to_end_it(decoder: Decoder) -> None:
    decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING)
    zygote = zygote_of(decoder)
    os.kill(zygote, signal.SIGTERM)
    os.kill(zygote, signal.SIGINT)
    assert decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING).row_count == 60
    assert zygote_of(decoder) == zygote


def test_the_decoding_process_knows_no_secret_and_holds_no_file_of_ours(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADHOUSE_DATABASE_URL", "postgresql://u:open-sesame@host/db")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "open-sesame")
    decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING)
    process = Path(f"/proc/{zygote_of(decoder)}")
    assert b"open-sesame" not in (process / "environ").read_bytes()
    opened = {str(each.readlink()) for each in (process / "fd").iterdir() if int(each.name) > 2}
    assert all(name.startswith(("socket:", "/dev/null")) for name in opened), opened


def test_files_are_given_back(decoder: Decoder) -> None:
    def count() -> int:
        return open_files(zygote_of(decoder))

    decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING)
    eventually(lambda: not children_of(zygote_of(decoder)), what="the first child is gone")
    before, ours = count(), open_files("self")
    for _ in range(10):
        decoder.read_table(written(PARQUET), PARQUET, USUAL_BOUNDS, USUAL_READING)
    assert count() == before
    assert open_files("self") == ours


_SHORT_LIVED = """
import io, sys, time
import polars as pl
from engine.data.reading.options import USUAL_BOUNDS, USUAL_READING
from service.decoding.decoder import Decoder
from service.settings import Settings
buffer = io.BytesIO()
pl.DataFrame({"x": [1.0, 2.0]}).write_parquet(buffer)
decoder = Decoder(Settings())
decoder.read_table(buffer, "application/vnd.apache.parquet", USUAL_BOUNDS, USUAL_READING)
print(decoder._zygote.process.pid, flush=True)
time.sleep(600)
"""


def test_the_decoding_process_ends_with_whoever_started_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", _SHORT_LIVED], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        zygote = int(process.stdout.readline())
        assert not _gone(zygote)
        process.kill()
    eventually(lambda: _gone(zygote), what="the decoding process is gone")


def _gone(process: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True
