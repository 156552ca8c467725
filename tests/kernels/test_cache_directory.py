"""The directory of compiled kernels: whom it is trusted to, which one is chosen, what is read, what goes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engine.kernels import cache_directory as directory

US = os.geteuid()
OTHER = 54_321


def status(owner: int, mode: int) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, owner, 0, 0, 0, 0, 0))


def filled(place: Path, name: str = "kernels-a") -> Path:
    folder = place / name
    folder.mkdir(parents=True)
    directory.write(folder / f"one{directory.SUFFIX}", b"payload")
    (folder / directory.IN_USE).touch()
    return folder


@pytest.mark.parametrize(
    ("owner", "mode", "above", "trusted"),
    [
        (0, 0o755, False, True),
        (1_000, 0o755, False, True),
        (1_001, 0o755, False, False),
        (1_000, 0o775, False, False),
        (1_000, 0o757, False, False),
        (0, 0o1777, False, False),
        (0, 0o1777, True, True),
        (0, 0o777, True, False),
        (1_001, 0o1755, True, False),
    ],
)
def test_only_what_nobody_else_may_write_is_trusted(owner: int, mode: int, above: bool, trusted: bool) -> None:
    assert (directory.distrust(status(owner, mode), 1_000, others_may_add=above) == "") is trusted


def test_a_directory_is_made_for_us_alone_to_write(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        chosen = directory.choose([tmp_path / "deep" / "place"], "kernels-a", US)
    finally:
        os.umask(before)
    assert chosen == (tmp_path / "deep" / "place" / "kernels-a", ())
    for made in (tmp_path / "deep", tmp_path / "deep" / "place", tmp_path / "deep" / "place" / "kernels-a"):
        assert stat.S_IMODE(made.stat().st_mode) == 0o755


def test_what_is_filled_goes_before_what_could_be_made(tmp_path: Path) -> None:
    second = filled(tmp_path / "second")
    assert directory.choose([tmp_path / "first", tmp_path / "second"], "kernels-a", US) == (second, ())
    assert not (tmp_path / "first").exists()


@pytest.mark.parametrize("loose", [0o775, 0o757, 0o1777])
def test_a_cache_that_others_may_write_is_refused(tmp_path: Path, loose: int) -> None:
    folder = filled(tmp_path / "first")
    folder.chmod(loose)
    chosen = directory.choose([tmp_path / "first", tmp_path / "second"], "kernels-a", US)
    assert chosen.folder == tmp_path / "second" / "kernels-a"
    assert chosen.faults == (f"{folder}: others may write there",)


def test_a_cache_below_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "open" / "place")
    (tmp_path / "open").chmod(0o777)
    chosen = directory.choose([tmp_path / "open" / "place"], "kernels-a", US)
    assert chosen == (None, (f"{tmp_path / 'open'}: others may write there",))


@pytest.mark.skipif(US != 0, reason="only root can give a directory away")
def test_a_cache_of_another_user_is_refused(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    os.chown(folder, OTHER, OTHER)
    assert directory.choose([tmp_path], "kernels-a", US) == (None, (f"{folder}: belongs to user {OTHER}",))


def test_a_link_leads_to_the_judgement_of_what_it_names(tmp_path: Path) -> None:
    folder = filled(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert directory.choose([tmp_path / "link"], "kernels-a", US).folder == folder
    (tmp_path / "real").chmod(0o777)
    assert directory.choose([tmp_path / "link"], "kernels-a", US).folder is None


def test_a_link_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    (tmp_path / "kernels-b").symlink_to(folder)
    assert directory.choose([tmp_path], "kernels-b", US) == (None, (f"{tmp_path / 'kernels-b'}: no directory",))


def test_no_place_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    chosen = directory.choose([tmp_path / "file" / "below"], "kernels-a", US)
    assert chosen.folder is None
    assert len(chosen.faults) == 1


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "one"
    before = os.umask(0)
    try:
        directory.write(file, b"first")
        directory.write(file, b"second")
    finally:
        os.umask(before)
    assert directory.read(file, US) == b"second"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_not_ours_whole_and_safe_is_not_read(tmp_path: Path) -> None:
    file, missing = tmp_path / "one", tmp_path / "missing"
    directory.write(file, b"payload")
    assert directory.read(missing, US) is None
    (tmp_path / "link").symlink_to(file)
    assert directory.read(tmp_path / "link", US) is None
    file.chmod(0o664)
    assert directory.read(file, US) is None
    file.chmod(0o644)
    content = file.read_bytes()
    for damaged in (b"", content[:-1], content[:31], content + b"x", b"\0" + content[1:]):
        file.write_bytes(damaged)
        assert directory.read(file, US) is None
    if US == 0:
        file.write_bytes(content)
        os.chown(file, OTHER, OTHER)
        assert directory.read(file, US) is None


def test_the_versions_started_longest_ago_go(tmp_path: Path) -> None:
    folders = [filled(tmp_path, f"kernels-{letter}") for letter in "abcd"]
    for age, folder in enumerate(folders):
        os.utime(folder / directory.IN_USE, (1_000 - age, 1_000 - age))
    other = tmp_path / "something else"
    other.mkdir()
    assert directory.tidy(tmp_path, "kernels-e", kept=3) == folders[2:]
    assert sorted(tmp_path.iterdir()) == [*folders[:2], other]
    assert directory.tidy(tmp_path, "kernels-a", kept=2) == []  # itself and one more


def test_a_version_in_use_stays_and_goes_once_it_is_not(tmp_path: Path) -> None:
    old = filled(tmp_path, "kernels-old")
    mark = directory.use(old)
    assert mark is not None
    os.utime(old / directory.IN_USE, (0, 0))
    assert directory.tidy(tmp_path, "kernels-new", kept=1) == []
    os.close(mark)
    assert directory.tidy(tmp_path, "kernels-new", kept=1) == [old]
    assert directory.use(old) is None


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    digests = {directory.digest_of(tmp_path)}
    (tmp_path / "a.py").write_text("x = 2")
    digests.add(directory.digest_of(tmp_path))
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    digests.add(directory.digest_of(tmp_path))
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.py").touch()
    digests.add(directory.digest_of(tmp_path))
    assert len(digests) == 4
    (tmp_path / "notes.txt").touch()
    assert directory.digest_of(tmp_path) in digests
