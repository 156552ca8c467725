"""A checkout as it is, and commits of it, each laid out in a folder from which it can run.

A folder is named by git's hash of its content, so a commit is laid out once, and what is edited while it is
measured changes nothing. The newest few are kept below ``.cueline/compare``.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from engine.errors import BadSettings

ROOT = Path(__file__).parent.parent
#: Folders whose files belong to the product before git knows them.
PRODUCT = ("engine", "models", "loadtest", "rules")
KEPT = 4
GIT_WITHIN_S = 60.0


class Layout(msgspec.Struct, frozen=True):
    """A folder with the files of `commit` (its full hash). ``dirty``: with changes that are not committed."""

    folder: Path
    commit: str
    dirty: bool = False


class Layouts:
    """Lays out what git knows of `root` below `home`. `held` keeps others from it meanwhile."""

    def __init__(self, root: Path = ROOT, home: Path | None = None) -> None:
        self._root = root
        self.home = home or root / ".cueline" / "compare"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else lays out or removes anything. Raises `BadSettings` when somebody does already; on leaving,
        removes what is stale."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise BadSettings("another comparison runs in this checkout: wait for its end") from error
            try:
                yield
            finally:
                remove_stale(self.home, "tree-*", KEPT)

    def resolve(self, revision: str) -> str:
        """The full hash of `revision`: a branch, tag, hash or HEAD~3. Raises `BadSettings` when `root` is no git
        checkout, or knows none of that name."""
        self._check_checkout()
        try:
            return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except BadSettings:
            raise BadSettings(
                f"{revision!r} is no commit that this checkout knows: see `git log`; a shallow clone has only its "
                "newest, `git fetch --unshallow` gets the others"
            ) from None

    def commit(self, commit: str) -> Layout:
        """The files of `commit` (its full hash)."""
        with TemporaryDirectory(prefix="cueline-index-") as scratch:
            index = {"GIT_INDEX_FILE": f"{scratch}/index"}
            return Layout(self._lay_out(self._tree(commit), index), commit)

    def working_tree(self) -> Layout:
        """The files as they are now: tracked ones, and new ones in the folders of the product."""
        head = self._git("rev-parse", "HEAD")
        with TemporaryDirectory(prefix="cueline-index-") as scratch:
            own = self._scratch_index(Path(scratch))
            self._git("read-tree", "HEAD", env=own)
            self._git("add", "--update", ".", env=own)
            new = [name for name in PRODUCT if (self._root / name).is_dir()]
            self._git("add", "--all", "--", *new, env=own) if new else None
            tree = self._git("write-tree", env=own)
            return Layout(self._lay_out(tree, own), head, dirty=tree != self._tree(head))

    def _scratch_index(self, scratch: Path) -> Mapping[str, str]:
        """An index and a place for objects of our own: the checkout's stay as they are."""
        objects = scratch / "objects"
        objects.mkdir()
        theirs = self._root / self._git("rev-parse", "--git-path", "objects")
        return {
            "GIT_INDEX_FILE": str(scratch / "index"),
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(theirs),
        }

    def _tree(self, commit: str) -> str:
        return self._git("rev-parse", f"{commit}^{{tree}}")

    def _lay_out(self, tree: str, env: Mapping[str, str]) -> Path:
        folder = self.home / f"tree-{tree[:16]}"
        if folder.is_dir():
            os.utime(folder)
            return folder
        half = self.home / f"half-{tree[:16]}"
        shutil.rmtree(half, ignore_errors=True)  # an earlier one was cut off
        self._git("read-tree", tree, env=env)
        self._git("checkout-index", "--all", f"--prefix={half}/", env=env)
        return half.rename(folder)

    def _check_checkout(self) -> None:
        try:
            top = self._git("rev-parse", "--show-toplevel")
        except BadSettings as error:
            raise BadSettings(
                f"{self._root} is no git checkout, so there is nothing to compare with: {error}"
            ) from None
        if Path(top).resolve() != self._root.resolve():
            raise BadSettings(f"{self._root} is no git checkout of its own, it lies within {top}")

    def _git(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith("GIT_")
        }  # those of a hook
        command = ["git", "-C", str(self._root), *arguments]
        try:
            done = subprocess.run(
                command, env={**clean, **(env or {})}, capture_output=True, text=True, timeout=GIT_WITHIN_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BadSettings(f"git: {error}") from error
        if done.returncode:
            raise BadSettings(f"git {arguments[0]}: {done.stderr.strip() or f'exit {done.returncode}'}")
        return done.stdout.strip()


def remove_stale(home: Path, pattern: str, kept: int) -> None:
    """Remove the folders of `home` that match `pattern` but the `kept` used last, and those half made."""
    folders = sorted(home.glob(pattern), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in [*folders[kept:], *home.glob("half-*")]:
        shutil.rmtree(folder, ignore_errors=True)
