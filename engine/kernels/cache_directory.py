"""The directory that keeps compiled kernels: which one, whom it may belong to, when an old one goes.

What lies there are pickles, and reading one runs what its writer wished. So a directory counts only when it and
all above it belong to root or to us, and nobody else may write there; each file is asked again as it is opened.
Standard library only, and nothing happens until a function is called.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

KEPT = 8  # versions in one place; more stay only while a process uses them
SUFFIX = ".kernel"
IN_USE = "in-use"  # locked, shared, by every process that uses the directory; its time is that of the last start
_PREFIX = "kernels-"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_DIGEST_BYTES = hashlib.sha256().digest_size


class Choice(NamedTuple):
    """The directory chosen and why others, with kernels in them, were refused; or none, and why each place is."""

    folder: Path | None
    faults: tuple[str, ...] = ()


def digest_of(folder: Path) -> str:
    """SHA-256 over names and contents of all sources in `folder`, those of its folders too."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def name_of(parts: Iterable[object]) -> str:
    """The directory's name for what the machine code depends on, each as its ``repr``."""
    return _PREFIX + hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()[:32]


def distrust(status: os.stat_result, uid: int, others_may_add: bool = False) -> str:
    """Why what `status` describes is not to be trusted by user `uid`; empty when it is.

    `others_may_add`: a directory above ours in which others may make files serves when it is sticky, as /tmp is:
    what is ours there only we may rename.
    """
    if status.st_uid not in (0, uid):
        return f"belongs to user {status.st_uid}"
    sticky = others_may_add and status.st_mode & stat.S_ISVTX
    return "others may write there" if status.st_mode & _OTHERS_WRITE and not sticky else ""


def distrust_path(path: Path, uid: int) -> str:
    """Why the directory `path` (absolute, without links) or one above it is not trusted; empty when they are.

    For one that does not exist yet those above it are checked.
    """
    for part in (path, *path.parents):
        try:
            status = os.lstat(part)
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"{part}: {error.strerror}"
        if not stat.S_ISDIR(status.st_mode):
            return f"{part}: no directory"
        if fault := distrust(status, uid, others_may_add=part != path):
            return f"{part}: {fault}"
    return ""


def choose(places: Sequence[Path], name: str, uid: int) -> Choice:
    """The directory `name` in the first of `places` where it is filled, read-only or not; else where it can be
    made."""
    folders = [place.resolve() / name for place in places]
    faults = {folder: distrust_path(folder, uid) for folder in folders}
    trusted = [folder for folder in folders if not faults[folder]]
    refused = tuple(faults[folder] for folder in folders if faults[folder] and is_filled(folder))
    for folder in filter(is_filled, trusted):
        return Choice(folder, refused)
    for folder in trusted:
        faults[folder] = _make(folder) or distrust_path(folder, uid)
        if not faults[folder]:
            return Choice(folder, refused)
    return Choice(None, tuple(faults.values()))


def is_filled(folder: Path) -> bool:
    """Whether a kernel lies in `folder`."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.endswith(SUFFIX) for entry in entries)
    except OSError:
        return False


def _make(folder: Path) -> str:
    """Make `folder` so that others cannot write in it; why it cannot be had, empty when it can."""
    try:
        for missing in reversed([part for part in (folder, *folder.parents) if not part.exists()]):
            with contextlib.suppress(FileExistsError):
                missing.mkdir(0o755)
                missing.chmod(stat.S_IMODE(missing.stat().st_mode) & ~_OTHERS_WRITE)
        os.close(os.open(folder / IN_USE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644))
    except OSError as error:
        return f"{folder.parent}: {error.strerror}"
    return ""


def read(file: Path, uid: int) -> bytes | None:
    """What `write` put into `file`; None when it is missing, damaged, a link or not to be trusted by `uid`."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or distrust(status, uid):
            return None
        content = opened.read()
    digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return payload if digest == hashlib.sha256(payload).digest() else None


def write(file: Path, payload: bytes) -> None:
    """Put `payload` into `file`, whole or not at all, for others to read at most. Raises OSError."""
    half = file.with_name(f"{file.name}.{os.urandom(8).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(half, flags, 0o644), "wb") as opened:
            opened.write(hashlib.sha256(payload).digest() + payload)
        half.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            half.unlink()
        raise


def use(folder: Path) -> int | None:
    """Mark `folder` as used from now until the returned descriptor is closed; None where it cannot be marked."""
    try:
        descriptor = os.open(folder / IN_USE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.utime(folder / IN_USE)
    except OSError:  # being removed, without locks, or read-only: it is used all the same
        pass
    return descriptor


def tidy(place: Path, keep: str, kept: int = KEPT) -> list[Path]:
    """Remove versions from `place`, those longest not started first, until `kept` are left with `keep`; one that a
    process uses stays. Returns what is gone."""
    removed = []
    for folder in sorted(_versions(place, keep), key=_last_used, reverse=True)[kept - 1 :]:
        with contextlib.suppress(OSError), _alone(folder):
            shutil.rmtree(folder)
            removed.append(folder)
    return removed


def _versions(place: Path, keep: str) -> Iterator[Path]:
    for folder in place.glob(f"{_PREFIX}*"):
        if folder.name != keep and folder.is_dir() and not folder.is_symlink():
            yield folder


def _last_used(folder: Path) -> float:
    try:
        return (folder / IN_USE).stat().st_mtime
    except OSError:
        return 0.0


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Raises BlockingIOError where a process uses `folder`."""
    with (folder / IN_USE).open("rb") as marker:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
