"""`python -m engine` is `cueline`."""

from __future__ import annotations

from engine.process.signals import end_at_once


def main() -> None:
    """The console script."""
    end_at_once()  # before the imports, which take a second
    from engine.cli.app import app

    app()


if __name__ == "__main__":
    main()
