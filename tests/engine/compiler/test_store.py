"""Compiled code on disk: private, bounded, shared by processes."""

import multiprocessing
import os
import stat
import time
from pathlib import Path

import pytest

from engine.compiler.store import CACHE_VARIABLE, ObjectStore, default_directory

KILOBYTE = bytes(1_000)


def made(directory: Path, limit: int = 10_000) -> ObjectStore:
    directory.mkdir(mode=0o700, exist_ok=True)
    return ObjectStore(directory, limit)


def aged(directory: Path, key: str, seconds: int) -> None:
    then = time.time() - seconds
    os.utime(directory / f"{key}.o", (then, then))


def total(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


def test_a_store_comes_back_with_what_was_written(tmp_path: Path) -> None:
    store = made(tmp_path / "code")
    store.write("a", b"code")
    assert store.read("a") == b"code"
    assert store.read("b") is None


def test_its_directory_is_private(tmp_path: Path) -> None:
    assert ObjectStore.at(tmp_path / "made" / "here") is not None
    assert stat.S_IMODE((tmp_path / "made" / "here").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_directory_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / f"open{mode:o}"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.warns(RuntimeWarning, match="mode 0700"):
        assert ObjectStore.at(directory) is None
    assert not list(directory.iterdir())


def test_a_link_to_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.warns(RuntimeWarning, match="own directory"):
        assert ObjectStore.at(tmp_path / "link") is None


def test_the_directory_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert default_directory() == tmp_path
    monkeypatch.setenv(CACHE_VARIABLE, "off")
    assert default_directory() is None
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "gradhouse" / "code"


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    store = made(tmp_path / "code")
    for k in range(9):
        store.write(f"k{k}", KILOBYTE)
        aged(tmp_path / "code", f"k{k}", 1_000 - k)
    assert store.read("k0") == KILOBYTE  # used now, though it came first
    store.write("last", KILOBYTE)
    assert total(tmp_path / "code") <= 7_500
    kept = {path.stem for path in (tmp_path / "code").iterdir()}
    assert {"last", "k0", "k8"} <= kept
    assert not {"k1", "k2"} & kept


def test_what_a_killed_process_left_behind_goes_too(tmp_path: Path) -> None:
    store = made(tmp_path / "code")
    half = tmp_path / "code" / "tmpabc"
    half.write_bytes(KILOBYTE)
    os.utime(half, (1, 1))
    for k in range(12):
        store.write(f"k{k}", KILOBYTE)
    assert not half.exists()


def test_an_object_greater_than_the_limit_is_not_kept(tmp_path: Path) -> None:
    store = made(tmp_path / "code", 500)
    store.write("a", KILOBYTE)
    assert store.read("a") is None


def _fill(directory: Path, first: int) -> None:
    store = ObjectStore(directory, 20_000)
    for k in range(first, first + 100):
        store.write(f"k{k}", KILOBYTE)
        assert store.read(f"k{k}") in (KILOBYTE, None)


def test_processes_that_shrink_it_at_once_keep_it_bounded_and_whole(tmp_path: Path) -> None:
    made(tmp_path / "code")
    workers = [
        multiprocessing.get_context("spawn").Process(target=_fill, args=(tmp_path / "code", 40 * k))
        for k in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert total(tmp_path / "code") <= 20_000
    store = ObjectStore(tmp_path / "code")
    assert all(store.read(path.stem) == KILOBYTE for path in (tmp_path / "code").iterdir())
