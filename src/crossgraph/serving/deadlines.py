"""Requests that do not come to their end, or are larger than they may be."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossgraph.serving.problems import Problem


class Deadlines:
    """Reads a request's body for at most `patience` seconds: at most `most_bytes` of a form that is sent to one of the
    addresses `forms`, which take pictures, `most_plain` of others.

    Raises `Problem` 413 or 408 where the application reads a body, 413 at once where a longer one is announced, and 415
    for one that is packed: unpacked, it may be of any size.
    """

    def __init__(
        self, app: ASGIApp, *, patience: float, forms: frozenset[str], most_bytes: int, most_plain: int
    ) -> None:
        self._app, self._patience, self._forms = app, patience, forms
        self._most_bytes, self._most_plain = most_bytes, most_plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        form = scope["path"] in self._forms and headers.get("content-type", "").lower().startswith("multipart/")
        most = self._most_bytes if form else self._most_plain
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
                told = f"the request was not complete after {self._patience:g} seconds. Send it again, faster."
                raise Problem(408, told, headers={"Connection": "close"}) from None
            got += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if got > most:
                raise _too_large(most, form)
            return message

        declared = headers.get("content-length", "")
        if declared.isdigit() and (len(declared) > 15 or int(declared) > most):
            raise _too_large(most, form)
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise Problem(415, "packed bodies are not read. Send it without Content-Encoding.")
        await self._app(scope, patient_receive, send)


def _too_large(most: int, form: bool) -> Problem:
    advice = "a smaller picture" if form else "less, or in parts"
    return Problem(413, f"of such a request at most {most:,} bytes are read. Send {advice}.")
