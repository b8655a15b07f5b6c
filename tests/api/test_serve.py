"""The server inside a process: its address, a taken port, signals left alone, and what is in flight when it ends."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from julia_warmer.api.serve import ServeError, serving

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def hello(scope: dict[str, Any], _receive: Any, send: Send) -> None:
    """The least application."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def test_port_0_is_a_free_one_and_the_address_is_told():
    async with serving(hello, host="127.0.0.1", port=0) as address, aiohttp.ClientSession() as http, http.get(address) as answer:
        assert address.startswith("http://127.0.0.1:")
        assert await answer.text() == "hello"
        assert "server" not in answer.headers


async def test_ipv6_has_its_brackets():
    async with serving(hello, host="::1", port=0) as address, aiohttp.ClientSession() as http, http.get(address) as answer:
        assert address.startswith("http://[::1]:")
        assert answer.status == 200


async def test_a_taken_port_is_one_error_that_names_it_and_the_setting():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServeError, match=rf"port {port} of 127\.0\.0\.1 cannot be used .* choose another with WARMER_PUBLIC_PORT"):
            async with serving(hello, host="127.0.0.1", port=port, setting="WARMER_PUBLIC_PORT"):
                pass


async def test_an_address_that_is_none_is_one_error():
    with pytest.raises(ServeError, match="no address to listen on"):
        async with serving(hello, host="no such host", port=0):
            pass


async def test_two_applications_run_side_by_side_and_their_ports_are_free_again():
    async with serving(hello, host="127.0.0.1", port=0) as one, serving(hello, host="127.0.0.1", port=0) as two:
        assert one != two
    port = int(one.rsplit(":", 1)[1])
    async with serving(hello, host="127.0.0.1", port=port) as again:
        assert again == one


async def test_signals_stay_with_the_caller():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serving(hello, host="127.0.0.1", port=0):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_request_in_flight_ends_before_the_server_does():
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: dict[str, Any], receive: Any, send: Send) -> None:
        arrived.set()
        await go_on.wait()
        await hello(scope, receive, send)

    async with aiohttp.ClientSession() as http:
        async with serving(slow, host="127.0.0.1", port=0) as address:
            asking = asyncio.create_task(http.get(address))
            await arrived.wait()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        answer = await asking
        assert (answer.status, await answer.text()) == (200, "hello")


async def test_what_breaks_in_the_block_ends_the_server_too():
    with pytest.raises(ZeroDivisionError):
        async with serving(hello, host="127.0.0.1", port=0) as address:
            raise ZeroDivisionError
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(address)
