"""Files written whole: under another name in the same folder first, then put in place by one rename.

A reader sees the old file or the new one, never half of one; of two writers the later one's file stays.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

REMEDY = {
    errno.ENOSPC: "a disk with space left; nothing half-written was kept",
    errno.EDQUOT: "a quota with space left; nothing half-written was kept",
    errno.EACCES: "a directory you may write to",
    errno.EPERM: "a directory you may write to",
    errno.EROFS: "a disk that is not read-only",
    errno.EISDIR: "the name of a file",
    errno.ENOTDIR: "a path whose folders are directories",
    errno.ENAMETOOLONG: "a shorter name",
}
"""What the system refused → what would have been accepted."""


def refusal(error: OSError, path: str | Path) -> InputError:
    """The message for a file that could not be written: what the system said and what to do."""
    accepted = REMEDY.get(error.errno or 0, "a place where a new file can be made")
    return InputError(f"cannot be written: {error.strerror or error}", where=str(path), accepted=accepted)


def check_place(path: str | Path) -> None:
    """Refuse a place where no file could be written, before the work that would fill it.

    Raises:
        InputError: it is a directory, or in none that exists or can be made, or may not be written to.
    """
    place = Path(path)
    try:
        if not str(path):
            raise FileNotFoundError(errno.ENOENT, "it has no name")
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        if place.exists() and not place.is_file():
            _check_writable(place)
        else:
            check_parent(Path(os.path.realpath(place)))
    except OSError as error:
        raise refusal(error, path) from error


def check_parent(place: Path) -> None:
    """Refuse a place that nothing can be made at: the nearest folder that exists must take new entries.

    Raises:
        OSError: there is something else than a folder on the way, or one that may not be written to.
    """
    near = place.parent
    while not near.exists():
        near = near.parent
    if not near.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{near} is not a directory")
    _check_writable(near)


def _check_writable(place: Path) -> None:
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, f"{place} may not be written to")


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A new name beside `path` to write to; put in its place when the block ends without an error.

    Folders on the way are made. A link keeps pointing where it did, and what it points to is replaced; a
    pipe or a device is written to as it is, for there is nothing to replace.

    Raises:
        InputError: the place cannot be written to.
    """
    place = Path(path)
    scratch = None
    try:
        check_place(path)
        if place.exists() and not place.is_file():
            yield place
            return
        target = Path(os.path.realpath(place))
        target.parent.mkdir(parents=True, exist_ok=True)
        # A name nobody else has: writers of one file, in one process or several, do not meet.
        token = f"{os.getpid()}.{secrets.token_hex(6)}"
        scratch = target.with_name(f".penstock.{token}.partial{target.suffix}")
        yield scratch
        if target.exists():
            scratch.chmod(target.stat().st_mode & 0o777)
        scratch.replace(target)
    except OSError as error:
        raise refusal(error, path) from error
    finally:
        if scratch is not None:
            scratch.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a file of text, whole or not at all.

    Raises:
        InputError: the place cannot be written to.
    """
    with whole(path) as scratch:
        scratch.write_text(text, encoding="utf-8")
