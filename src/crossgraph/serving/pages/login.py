"""Where a token is asked for, so that a browser shows it from then on."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from crossgraph.serving.access import is_right, own_address, signed_in
from crossgraph.serving.pages.templates import page
from crossgraph.serving.server import TheServer

router = APIRouter()


@router.get("/login")
async def ask(next: str = "/") -> Response:
    """The form."""
    return page("login.html", nav="login", next=own_address_of(next), wrong=False)


@router.post("/login")
async def sign_in(
    server: TheServer, token: Annotated[str, Form(max_length=500)], next: Annotated[str, Form(max_length=20_000)] = "/"
) -> Response:
    """Where one came from, with the token kept; the form again for a wrong one."""
    wanted = server.settings.token
    if wanted is not None and not is_right(token, wanted):
        return page("login.html", 401, nav="login", next=own_address_of(next), wrong=True)
    response = RedirectResponse(own_address_of(next), 303)
    return response if wanted is None else signed_in(response, wanted)


def own_address_of(text: str) -> str:
    """`text`, if it is an address of this server, else its first page."""
    path, _, query = text.partition("?")
    return own_address(unquote(path), query if query.isprintable() and query.isascii() else "")
