"""The watched directory: a real one, changed the way editors and deployments change it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.errors import BadRule
from engine.rulebook.model import Rulebook
from engine.rulebook.watcher import watch
from tests.patience import PATIENCE_S


def rules(*names: str) -> str:
    return "indicators:\n" + "".join(f"  - {{name: {name}, when: cart.items > 0}}\n" for name in names)


class Reported:
    """What the watcher reported, in order."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Rulebook | BadRule] = asyncio.Queue()

    async def rulebook(self) -> list[str]:
        """The indicators of the next rulebook reported; skips the faults before it."""
        async with asyncio.timeout(PATIENCE_S):
            while not isinstance(reported := await self.queue.get(), Rulebook):
                pass
            return [indicator.name for indicator in reported.indicators]

    async def fault(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            reported = await self.queue.get()
        assert isinstance(reported, BadRule)
        return str(reported)


@asynccontextmanager
async def watching(directory: Path) -> AsyncIterator[Reported]:
    reported, stop = Reported(), asyncio.Event()
    task = asyncio.create_task(watch(directory, reported.queue.put, reported.queue.put_nowait, stop))
    try:
        yield reported
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await task


async def test_a_change_is_told_and_a_fault_too(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(rules("a"))
    async with watching(tmp_path) as reported:
        assert await reported.rulebook() == ["a"]
        file.write_text("indicators: [")
        assert f"{file}:1:13: file: the [ that opens here is not closed" in await reported.fault()
        file.write_text(rules("a", "b"))
        assert await reported.rulebook() == ["a", "b"]


async def test_a_comment_is_not_told(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(rules("a"))
    async with watching(tmp_path) as reported:
        assert await reported.rulebook() == ["a"]
        file.write_text("# nothing new\n" + rules("a"))
        (tmp_path / "two.yaml").write_text(rules("c"))
        assert await reported.rulebook() == ["a", "c"]
        assert reported.queue.empty()


async def test_editors_write_beside_and_rename(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(rules("a"))
    async with watching(tmp_path) as reported:
        assert await reported.rulebook() == ["a"]
        for name in ("b", "c"):
            draft = tmp_path / ".one.yaml.swp"
            draft.write_text(rules(name))
            os.replace(draft, file)
            assert await reported.rulebook() == [name]
        file.rename(tmp_path / "one.yaml~")
        assert "holds no rule files" in await reported.fault()


async def test_a_half_written_file_is_followed_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(rules("a"))
    async with watching(tmp_path) as reported:
        assert await reported.rulebook() == ["a"]
        with file.open("w") as stream:
            stream.write("indicators:\n  - {name: b, when: cart.it")
            stream.flush()
            assert "not YAML" in await reported.fault()
            stream.write("ems > 0}\n")
        assert await reported.rulebook() == ["b"]


async def test_a_directory_may_go_and_come_back(tmp_path: Path) -> None:
    directory = tmp_path / "rules"
    async with watching(directory) as reported:
        assert "cannot be read" in await reported.fault()
        directory.mkdir()
        (directory / "one.yaml").write_text(rules("a"))
        assert await reported.rulebook() == ["a"]
        shutil.rmtree(directory)
        await reported.fault()
        directory.mkdir()
        (directory / "one.yaml").write_text(rules("b"))
        assert await reported.rulebook() == ["b"]


async def test_a_directory_may_be_replaced_by_another(tmp_path: Path) -> None:
    directory, next_one = tmp_path / "rules", tmp_path / "next"
    for path, name in ((directory, "a"), (next_one, "b")):
        path.mkdir()
        (path / "one.yaml").write_text(rules(name))
    async with watching(directory) as reported:
        assert await reported.rulebook() == ["a"]
        directory.rename(tmp_path / "old")
        next_one.rename(directory)
        assert await reported.rulebook() == ["b"]
        (directory / "one.yaml").write_text(rules("c"))
        assert await reported.rulebook() == ["c"]


async def test_mounted_links_are_followed(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    for version in ("1", "2"):
        (mount / version).mkdir(parents=True)
        (mount / version / "one.yaml").write_text(rules(f"v{version}"))
    (mount / "..data").symlink_to("1")
    (mount / "one.yaml").symlink_to("..data/one.yaml")
    async with watching(mount) as reported:
        assert await reported.rulebook() == ["v1"]
        (mount / "..data_tmp").symlink_to("2")
        os.replace(mount / "..data_tmp", mount / "..data")
        assert await reported.rulebook() == ["v2"]


async def test_a_link_that_is_swapped_in_another_directory_is_noticed(tmp_path: Path) -> None:
    directory, elsewhere = tmp_path / "rules", tmp_path / "elsewhere"
    directory.mkdir()
    for name in ("a", "b"):
        (elsewhere / name).mkdir(parents=True)
        (elsewhere / name / "one.yaml").write_text(rules(name))
    (elsewhere / "..data").symlink_to("a")
    (directory / "one.yaml").symlink_to(elsewhere / "..data" / "one.yaml")
    async with watching(directory) as reported:
        assert await reported.rulebook() == ["a"]
        (elsewhere / "..data_tmp").symlink_to("b")
        os.replace(elsewhere / "..data_tmp", elsewhere / "..data")
        assert await reported.rulebook() == ["b"]


@pytest.mark.parametrize("mount", [os.symlink, os.link])
async def test_a_file_that_is_written_under_another_name_is_noticed(
    tmp_path: Path, mount: Callable[[Path, Path], None]
) -> None:
    """A second name of the same file is to inotify what a bind mount of a file is."""
    directory, elsewhere = tmp_path / "rules", tmp_path / "elsewhere.yaml"
    directory.mkdir()
    elsewhere.write_text(rules("a"))
    mount(elsewhere, directory / "one.yaml")
    async with watching(directory) as reported:
        assert await reported.rulebook() == ["a"]
        elsewhere.write_text(rules("b"))
        assert await reported.rulebook() == ["b"]
        elsewhere.write_text("indicators: [")
        assert "is not closed" in await reported.fault()


async def test_a_pipe_among_the_files_is_a_fault_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(rules("a"))
    async with watching(tmp_path) as reported:
        assert await reported.rulebook() == ["a"]
        os.mkfifo(tmp_path / "two.yaml")
        assert "two.yaml:1:1: file: is a named pipe, which is not read: put a file here" in await reported.fault()
        (tmp_path / "two.yaml").unlink()
        assert await reported.rulebook() == ["a"]
        (tmp_path / "one.yaml").write_text(rules("b"))
        assert await reported.rulebook() == ["b"]
