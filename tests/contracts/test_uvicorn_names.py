"""What `engine.web.server.protocol` and `engine.web.server.uvicorn_server` lean on in uvicorn. A red test here
means: read the new version's source before touching either."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version

import pytest
import uvicorn
from uvicorn.protocols import utils
from uvicorn.protocols.http import flow_control, httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from engine.web.server.protocol import Corked, Protocol
from tests.contracts.reading import parameters


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("uvicorn").startswith("0.54.")


OVERRIDDEN = {
    "connection_made": ["self", "transport"],
    "connection_lost": ["self", "exc"],
    "data_received": ["self", "data"],
    "on_message_begin": ["self"],
    "on_headers_complete": ["self"],
    "send_400_response": ["self", "msg"],
}


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_what_is_overridden_is_there_and_takes_the_same(name: str) -> None:
    assert parameters(getattr(HttpToolsProtocol, name)) == OVERRIDDEN[name]
    assert parameters(vars(Protocol)[name])[: len(OVERRIDDEN[name])] == OVERRIDDEN[name]


def test_nothing_else_is_overridden_by_chance() -> None:
    own = {name for name in vars(Protocol) if not name.startswith("__")}
    assert own & {name for name in dir(HttpToolsProtocol) if not name.startswith("__")} == OVERRIDDEN.keys()


def test_the_parser_calls_what_we_override() -> None:
    received = inspect.getsource(HttpToolsProtocol.data_received)
    assert "self.parser.feed_data(data)" in received
    assert re.search(
        r"except httptools\.HttpParserError:.*?self\.send_400_response\(msg\)\n\s*return", received, re.S
    )
    assert "httptools.HttpRequestParser(self)" in inspect.getsource(HttpToolsProtocol.__init__)


def test_headers_and_trailers_are_gathered_in_one_list_per_request() -> None:
    assert "self.headers = []" in inspect.getsource(HttpToolsProtocol.on_message_begin)
    assert "self.headers.append(" in inspect.getsource(HttpToolsProtocol.on_header)


def test_an_answer_under_way_is_a_cycle_that_is_not_complete() -> None:
    assert "self.cycle = RequestResponseCycle(" in inspect.getsource(HttpToolsProtocol.on_headers_complete)
    assert "self.response_complete = False" in inspect.getsource(RequestResponseCycle.__init__)
    assert "self.response_complete = True" in inspect.getsource(RequestResponseCycle.send)


def test_whatever_is_sent_goes_through_the_transport_that_was_handed_over() -> None:
    made = inspect.getsource(HttpToolsProtocol.connection_made)
    assert "self.transport = transport" in made
    assert "transport=self.transport" in inspect.getsource(HttpToolsProtocol.on_headers_complete)


def test_no_way_of_sending_passes_the_cork_by() -> None:
    """Were it to call `writelines` or `abort`, what waits in `Corked` would come too late or never."""
    sources = [inspect.getsource(module) for module in (httptools_impl, flow_control, utils)]
    used = set(re.findall(r"transport\.(\w+)\(", "".join(sources)))
    assert {"write", "close"} <= vars(Corked).keys()
    assert used == {
        "write",
        "close",
        "is_closing",
        "pause_reading",
        "resume_reading",
        "get_extra_info",
        "set_protocol",  # an upgrade: ws="none" lets none happen
    }


def test_no_setting_of_uvicorns_bounds_a_head_under_httptools() -> None:
    """The day one does, the extension may shrink to it. (``h11_max_incomplete_event_size`` is h11's alone.)"""
    bounds = [
        name for name in inspect.signature(uvicorn.Config).parameters if re.match("h11|limit|timeout|max", name)
    ]
    read = [name for name in bounds if f"config.{name}" in inspect.getsource(httptools_impl)]
    assert read == ["limit_concurrency", "timeout_keep_alive"]


def test_signals_and_the_end_are_where_the_server_overrides_them() -> None:
    serve = inspect.getsource(uvicorn.Server.serve)
    assert "with self.capture_signals():" in serve
    assert parameters(uvicorn.Server.shutdown) == ["self", "sockets"]
    assert "await self.shutdown(sockets=sockets)" in inspect.getsource(uvicorn.Server._serve)
    ending = inspect.getsource(uvicorn.Server.shutdown)
    assert ending.index("connection.shutdown()") < ending.index("_wait_tasks_to_complete")


def test_a_port_that_is_taken_ends_in_system_exit() -> None:
    assert re.search(r"except OSError as exc:.*?sys\.exit\(", inspect.getsource(uvicorn.Server.startup), re.S)
