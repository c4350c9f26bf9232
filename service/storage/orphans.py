"""Bytes that no dataset stands on, left by a crash between file and row: they are removed after a day."""

import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

ASIDE = ".orphan-"
HALF_WRITTEN = ".new-"


def remove_orphans(
    folder: Path,
    is_used: Callable[[str], bool],
    *,
    user: str,
    older_than_seconds: float,
    dry: bool = False,
) -> int:
    """Removes, or with `dry` counts, the files of `folder` that nobody uses and that are old; how many.

    An upload touches its file and adds its row later: so a file is young until its row is surely there.
    Where another database than `user` keeps files too, nothing is removed: its rows cannot be seen from here.
    """
    if _users(folder) != {user}:
        return 0
    oldest = time.time() - older_than_seconds
    if dry:
        return sum(_is_orphan(path, is_used) for path in _files_before(folder, oldest))
    for aside in folder.glob(f"*/{ASIDE}*"):  # of a sweep that was cut short
        aside.replace(aside.with_name(aside.name.removeprefix(ASIDE)))
    return sum(_remove(path, is_used, oldest) for path in _files_before(folder, oldest))


def _users(folder: Path) -> set[str]:
    return {each.name for each in (folder / ".used-by").glob("*")}


def _files_before(folder: Path, moment: float) -> Iterator[Path]:
    for path in chain(folder.glob("??/*"), folder.glob(f"{HALF_WRITTEN}*")):
        if path.is_file() and _is_older(path, moment):
            yield path


def _is_older(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime < moment
    except FileNotFoundError:
        return False  # another sweeper was faster


def _is_orphan(path: Path, is_used: Callable[[str], bool]) -> bool:
    return path.name.startswith(HALF_WRITTEN) or not is_used(path.name.removeprefix(ASIDE))


def _remove(path: Path, is_used: Callable[[str], bool], moment: float) -> bool:
    if path.name.startswith(HALF_WRITTEN):
        path.unlink(missing_ok=True)
        return True
    if is_used(path.name):
        return False
    aside = path.with_name(ASIDE + path.name)
    try:
        path.rename(aside)
        # An upload of the same bytes may have come in between: it has touched the file, or added its row.
        if _is_older(aside, moment) and not is_used(path.name):
            aside.unlink()
            return True
        aside.replace(path)
    except FileNotFoundError:
        pass  # another sweeper was faster
    return False
