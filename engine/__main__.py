"""`python -m engine` is `cueline`."""

from __future__ import annotations

from engine.cli.app import app


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
