"""Clients that stop within a request, or send more than they may: they are let go."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossgraph.serving.problems import Problem


class Deadlines:
    """Reads a request's body for at most `patience` seconds and `most_bytes`, and waits as long for each part of an
    answer to be taken.

    Raises `Problem` 413 or 408 where the application reads a body.
    """

    def __init__(self, app: ASGIApp, *, patience: float, most_bytes: int) -> None:
        self._app, self._patience, self._most = app, patience, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        until = asyncio.get_running_loop().time() + self._patience
        got, complete = 0, False

        async def patient_receive() -> Message:
            nonlocal got, complete
            if complete:
                return await receive()  # it waits for the client to leave, for as long as the answer takes
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise Problem(408, f"the request was not complete after {self._patience:g} seconds.") from None
            got += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if got > self._most:
                raise Problem(413, f"the request has more than {self._most:,} bytes. Send a smaller picture.")
            return message

        async def patient_send(message: Message) -> None:
            async with asyncio.timeout(self._patience):
                await send(message)

        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._most:
            raise Problem(413, f"the request has {int(declared):,} bytes, at most {self._most:,} are read.")
        await self._app(scope, patient_receive, patient_send)
