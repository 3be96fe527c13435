"""Work in threads: how much of it may wait, for how long, and that none begins for whoever is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event

import pytest
from starlette.types import Message, Receive, Scope, Send

from crossgraph.serving.engine import Engine
from crossgraph.serving.presence import ClientLeftError, Presence
from crossgraph.serving.problems import Problem


def answered_while(
    engine: Engine, gone: asyncio.Event, work: Callable[[], int], body: list[bytes]
) -> asyncio.Task[int]:
    """Work that is done for a request with this body, in pieces, whose client leaves when it is `gone`."""
    got, pieces = list[int](), iter(body or [b""])
    headers = [(b"content-length", str(sum(map(len, body))).encode())] if body else []

    async def receive() -> Message:
        piece = next(pieces, None)
        if piece is not None:
            return {"type": "http.request", "body": piece, "more_body": piece != (body or [b""])[-1]}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError("nothing is sent")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in body:
            await receive()
        got.append(await engine.run(work))

    async def request() -> int:
        await Presence(app)({"type": "http", "headers": headers}, receive, send)
        return got[0]

    return asyncio.create_task(request())


@pytest.mark.parametrize("body", [[], [b"{", b"}"]])
def test_work_that_waits_is_dropped_when_its_client_goes_and_work_that_began_is_done(body: list[bytes]) -> None:
    engine, go, done = Engine("test", workers=1, waiting=1, seconds=20.0), Event(), list[str]()

    def first() -> int:
        assert go.wait(20)
        return 1

    def second() -> int:
        done.append("second")
        return 2

    async def steps() -> None:
        gone = asyncio.Event()
        running = answered_while(engine, gone, first, body)
        waiting = answered_while(engine, gone, second, body)
        while engine.inside < 2:
            await asyncio.sleep(0.01)
        with pytest.raises(Problem, match="cannot wait"):
            await engine.run(second)
        gone.set()
        with pytest.raises(ClientLeftError):
            await waiting
        assert engine.inside == 1
        stays = answered_while(engine, asyncio.Event(), second, body)
        await asyncio.sleep(0.02)
        go.set()
        assert (await running, await stays) == (1, 2)

    asyncio.run(steps())
    assert done == ["second"]
    engine.close()


def test_what_takes_too_long_is_given_up_and_what_work_raises_is_raised() -> None:
    engine, go = Engine("test", workers=1, waiting=0, seconds=0.05), Event()

    def late() -> None:
        raise TimeoutError("of the work itself")

    async def steps() -> None:
        with pytest.raises(TimeoutError, match="itself"):
            await engine.run(late)
        with pytest.raises(Problem, match="took longer than"):
            await engine.run(lambda: go.wait(20))
        assert engine.inside == 1
        go.set()
        while engine.inside:
            await asyncio.sleep(0.01)

    asyncio.run(steps())
    engine.close()
    with pytest.raises(Problem, match="stopping"):
        asyncio.run(engine.run(lambda: 1))


def test_a_server_that_stops_says_so_to_who_waits() -> None:
    engine, go = Engine("test", workers=1, waiting=1, seconds=20.0), Event()

    async def steps() -> None:
        running, waiting = (asyncio.create_task(engine.run(lambda: go.wait(20))) for _ in range(2))
        while engine.inside < 2:
            await asyncio.sleep(0.01)
        engine.close()
        with pytest.raises(Problem, match="stopping"):
            await waiting
        go.set()
        assert await running

    asyncio.run(steps())
