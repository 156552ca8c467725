"""Routes whose letters count, large and small (RFC 3986, 6.2.2.1); BlackSheep's ignore the case."""

from __future__ import annotations

import re
from typing import Any

from blacksheep.server.routing import Route, RouteMatch, Router


class ExactRoute(Route):
    """A route that matches its pattern letter by letter."""

    def __init__(self, pattern: str | bytes, handler: Any) -> None:
        super().__init__(pattern, handler)
        self._rx = re.compile(self._rx.pattern)

    def match_by_path(self, path: bytes) -> RouteMatch | None:
        """The route and the parameters in `path`, or None."""
        found = self._rx.match(path)
        return RouteMatch(self, found.groupdict()) if found else None


class ExactRouter(Router):
    """Makes `ExactRoute`s, without filters."""

    def create_route(self, pattern: Any, handler: Any, filters: object = None) -> Route:
        """The route of `pattern`."""
        self.mark_handler(handler)
        return ExactRoute(self._get_pattern(pattern), handler)
