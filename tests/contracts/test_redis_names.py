"""What `engine.store` leans on in redis-py's connections and in hiredis, beyond what they promise."""

from __future__ import annotations

import inspect
import ssl
from typing import Any

import hiredis
import pytest
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url

from engine.store.resp import pack


def endpoint(url: str) -> Any:
    arguments: dict[str, Any] = dict(parse_url(url))
    return arguments.pop("connection_class", Connection)(**arguments)


def test_a_url_becomes_a_connection_that_can_be_asked_what_it_says() -> None:
    end = endpoint("redis://ann:se%3Acret@store.example:7000/3")
    assert type(end) is Connection
    assert (end.host, end.port, end.db, end.username, end.password) == ("store.example", 7000, 3, "ann", "se:cret")


def test_a_socket_has_its_path() -> None:
    end = endpoint("unix:///tmp/valkey.sock?db=2")
    assert type(end) is UnixDomainSocketConnection
    assert (end.path, end.db) == ("/tmp/valkey.sock", 2)


def test_tls_is_a_connection_with_a_context() -> None:
    end = endpoint("rediss://store.example")
    assert isinstance(end, SSLConnection)
    assert isinstance(end, Connection)  # distinguished in this order
    context = end.ssl_context.get()
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_the_reader_says_false_when_no_reply_is_whole() -> None:
    reader = hiredis.Reader()
    reader.feed(b"$3\r\nab")
    assert reader.gets() is False
    reader.feed(b"c\r\n$-1\r\n:0\r\n")
    assert [reader.gets() for _ in range(4)] == [b"abc", None, 0, False]


def test_errors_are_values_also_within_a_transactions_answer() -> None:
    reader = hiredis.Reader()
    reader.feed(b"-ERR no\r\n*2\r\n+OK\r\n-OOM no memory\r\n")
    alone, (_, inside) = reader.gets(), reader.gets()
    assert isinstance(alone, hiredis.ReplyError)
    assert isinstance(inside, hiredis.ReplyError)
    assert (str(alone), str(inside)) == ("ERR no", "OOM no memory")


def test_what_is_no_protocol_is_an_error() -> None:
    reader = hiredis.Reader()
    reader.feed(b"nonsense\r\n")
    with pytest.raises(hiredis.ProtocolError):
        reader.gets()


def test_arguments_are_packed_as_bytes_text_and_numbers() -> None:
    assert pack(("SET", b"\r\n", "ü", 7)) == b"*4\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$2\r\n\xc3\xbc\r\n$1\r\n7\r\n"


def test_a_client_can_be_kept_from_saying_who_made_it() -> None:
    """It would need a right more; without one redis-py goes on, and the server notes a refusal."""
    assert "if self.driver_info" in inspect.getsource(Connection.on_connect_check_health)
    assert Connection(driver_info=None).driver_info is None
