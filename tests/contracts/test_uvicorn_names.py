"""What `engine.web.server.protocol` and `engine.web.server.uvicorn_server` lean on in uvicorn. A red test here
means: read the new version's source before touching either."""

from __future__ import annotations

import asyncio
import inspect
import re
from importlib.metadata import version
from types import SimpleNamespace

import httptools
import pytest
import uvicorn
from blacksheep import Content, Response
from blacksheep.scribe import send_asgi_response
from uvicorn.protocols import utils
from uvicorn.protocols.http import flow_control, httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from engine.web.api.health import build_health_app
from engine.web.server.corked import Corked
from engine.web.server.fast_path import Exchange, whole_answer
from engine.web.server.fast_protocol import FastProtocol
from engine.web.server.protocol import Protocol
from engine.web.server.timeouts import TimedProtocol
from engine.web.server.uvicorn_server import configured
from tests.contracts.reading import parameters


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("uvicorn").startswith("0.54.")


#: Also `data_received` takes the place of uvicorn's, which is never called.
OVERRIDDEN = {
    "connection_made": ["self", "transport"],
    "connection_lost": ["self", "exc"],
    "pause_writing": ["self"],
    "resume_writing": ["self"],
    "data_received": ["self", "data"],
    "eof_received": ["self"],
    "on_message_begin": ["self"],
    "on_headers_complete": ["self"],
    "on_body": ["self", "body"],
    "on_response_complete": ["self"],
    "timeout_keep_alive_handler": ["self"],
    "_unset_keepalive_if_required": ["self"],
}
OURS = {name: member for one in (TimedProtocol, Protocol, FastProtocol) for name, member in vars(one).items()}


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_what_is_overridden_is_there_and_takes_the_same(name: str) -> None:
    assert parameters(getattr(HttpToolsProtocol, name)) == OVERRIDDEN[name]
    assert parameters(OURS[name])[: len(OVERRIDDEN[name])] == OVERRIDDEN[name]


def test_nothing_else_is_overridden_by_chance() -> None:
    own = {name for name in OURS if not name.startswith("__")}
    assert own & {name for name in dir(HttpToolsProtocol) if not name.startswith("__")} == OVERRIDDEN.keys()


def test_the_end_of_an_answer_does_what_uvicorns_does() -> None:
    """But for the timer, which is set by `TimedProtocol._idle`."""
    complete = inspect.getsource(HttpToolsProtocol.on_response_complete)
    steps = [
        "self.server_state.total_requests += 1",
        "if self.transport.is_closing():",
        "self._unset_keepalive_if_required()",
        "self.flow.resume_reading()",
        "cycle, app = self.pipeline.pop()",
        "self._start_asgi_task(cycle, app)",
        "self.timeout_keep_alive_task = self.loop.call_later(",
    ]
    assert [complete.find(step) > 0 for step in steps] == [True] * len(steps)
    assert [complete.index(step) for step in steps] == sorted(complete.index(step) for step in steps)
    assert "self.transport.close()" in inspect.getsource(HttpToolsProtocol.timeout_keep_alive_handler)


def test_an_exchange_has_what_uvicorn_asks_of_a_cycle() -> None:
    asked = set(re.findall(r"self\.cycle\.(\w+)", inspect.getsource(HttpToolsProtocol)))
    assert asked == {"body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete"}
    ours = set(re.findall(r"self\.cycle\.(\w+)", inspect.getsource(Protocol)))
    assert "response_started" in ours
    assert all(hasattr(Exchange(), name) for name in asked | ours)
    assert "self.response_started = True" in inspect.getsource(RequestResponseCycle.send)
    started = inspect.getsource(HttpToolsProtocol._start_asgi_task)
    assert "self.tasks.add(task)" in started


@pytest.mark.parametrize("status", [200, 202, 204, 400, 401, 413, 429, 500, 503])
@pytest.mark.parametrize("keep_alive", [True, False])
async def test_an_answer_of_the_fast_path_says_what_uvicorns_says(status: int, keep_alive: bool) -> None:
    def response() -> Response:
        content = None if status == 204 else Content(b"application/json", b'{"a":1}')
        return Response(status, [(b"Retry-After", b"1"), (b"Vary", b"Origin")], content)

    written: list[bytes] = []
    cycle = RequestResponseCycle.__new__(RequestResponseCycle)
    for name, value in {
        "flow": SimpleNamespace(write_paused=False),
        "transport": SimpleNamespace(write=written.append, close=lambda: None),
        "scope": {"method": "POST"},
        "message_event": asyncio.Event(),
        "on_response": lambda: None,
        "default_headers": [],
        "access_log": False,
        "disconnected": False,
        "response_started": False,
        "response_complete": False,
        "chunked_encoding": None,
        "keep_alive": keep_alive,
    }.items():
        setattr(cycle, name, value)
    await send_asgi_response(response(), cycle.send)
    assert _parts(whole_answer(response(), keep_alive)) == _parts(b"".join(written))


def _parts(answer: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The first line, the headers, which have no order, and the body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    return line, sorted(header.lower() for header in headers), body


def test_the_parser_is_made_and_fed_as_we_do_it() -> None:
    received = inspect.getsource(HttpToolsProtocol.data_received)
    assert re.search(r"self\._unset_keepalive_if_required\(\)\s+try:\s+self\.parser\.feed_data\(data\)", received)
    made = inspect.getsource(HttpToolsProtocol.__init__)
    assert "self.parser = httptools.HttpRequestParser(self)" in made
    assert "self.parser.set_dangerous_leniencies(lenient_data_after_close=True)" in made


def test_a_parser_gives_up_the_body_behind_an_upgrade() -> None:
    """The day it does not, `Protocol._ignore_upgrade` may go."""
    head = b"POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\n"
    with pytest.raises(httptools.HttpParserUpgrade) as upgrade:
        httptools.HttpRequestParser(object()).feed_data(head + b"body")
    assert upgrade.value.args == (len(head),)


def test_headers_and_trailers_are_gathered_in_one_list_per_request() -> None:
    begun = inspect.getsource(HttpToolsProtocol.on_message_begin)
    assert "self.headers = []" in begun
    assert '"headers": self.headers,' in begun
    assert '"http_version": "1.1",' in begun
    assert "self.headers.append(" in inspect.getsource(HttpToolsProtocol.on_header)
    complete = inspect.getsource(HttpToolsProtocol.on_headers_complete)
    assert 'self.scope["http_version"] = http_version' in complete
    assert "app = self.app" in complete  # a refusal takes its place


def test_requests_ahead_and_bodies_wait_where_we_look_for_them() -> None:
    assert "self.pipeline.appendleft((self.cycle, app))" in inspect.getsource(
        HttpToolsProtocol.on_headers_complete
    )
    assert "self.cycle.body += body" in inspect.getsource(HttpToolsProtocol.on_body)
    assert "self.cycle.more_body = False" in inspect.getsource(HttpToolsProtocol.on_message_complete)
    assert "self.flow.resume_reading()" in inspect.getsource(HttpToolsProtocol.on_response_complete)
    received = inspect.getsource(RequestResponseCycle.receive)
    assert received.index("self.flow.resume_reading()") < received.index("self.body = bytearray()")
    assert "self.flow = FlowControl(transport)" in inspect.getsource(HttpToolsProtocol.connection_made)
    resumed = inspect.getsource(flow_control.FlowControl.resume_reading)
    assert "if self.read_paused:" in resumed


def test_an_answer_has_chunks_where_nothing_else_was_settled() -> None:
    sent = inspect.getsource(RequestResponseCycle.send)
    assert "if self.chunked_encoding is None and" in sent
    assert "if num_bytes > self.expected_content_length:" in sent
    assert "if not self.keep_alive:" in sent
    assert "self.scope, self.receive, self.send" in inspect.getsource(RequestResponseCycle.run_asgi)


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


def test_nothing_of_uvicorns_stands_before_the_application() -> None:
    """Its middleware believes X-Forwarded-For of this machine, whatever `web.trusted_proxies` says."""
    app = build_health_app(lambda: (b"", ""), dict)
    config = configured(app, "127.0.0.1", 0)
    config.load()
    assert config.loaded_app is app


def test_signals_and_the_end_are_where_the_server_overrides_them() -> None:
    serve = inspect.getsource(uvicorn.Server.serve)
    assert "with self.capture_signals():" in serve
    assert parameters(uvicorn.Server.shutdown) == ["self", "sockets"]
    assert "await self.shutdown(sockets=sockets)" in inspect.getsource(uvicorn.Server._serve)
    ending = inspect.getsource(uvicorn.Server.shutdown)
    assert ending.index("connection.shutdown()") < ending.index("_wait_tasks_to_complete")


def test_the_server_makes_protocols_and_listens_as_we_do_it_again() -> None:
    """`_Server.startup` listens on the same socket several times: uvloop's libuv accepts one client in a turn."""
    started = inspect.getsource(uvicorn.Server.startup)
    assert parameters(uvicorn.Server.startup) == ["self", "sockets"]
    made = re.search(r"return config\.http_protocol_class\((.*?)\)", started, re.S)
    assert made is not None
    assert re.findall(r"(\w+)=", made[1]) == ["config", "server_state", "app_state", "_loop"]
    assert "app_state=self.lifespan.state" in made[1]
    assert "self.servers = [server]" in started
    assert "for server in self.servers:\n            server.close()" in inspect.getsource(uvicorn.Server.shutdown)


def test_a_port_that_is_taken_ends_in_system_exit() -> None:
    assert re.search(r"except OSError as exc:.*?sys\.exit\(", inspect.getsource(uvicorn.Server.startup), re.S)
