"""Memory that was freed is kept for what is needed next."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys

import pytest

FRAMES = """
import resource, sys
from engine.process.freed_memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def frames(count):
    for _ in range(count):
        parts = [b"x" * 3_000_000 for _ in range(2)]
        b"".join(parts)
frames(5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
frames(50)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Pages that 50 rounds of frames were given, after the first few."""
    return int(subprocess.run([sys.executable, "-c", FRAMES, how], check=True, capture_output=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc knows how")
def test_frames_are_given_no_new_pages() -> None:
    frame_pages = 3_000_000 // resource.getpagesize()
    assert faults("kept") < frame_pages
