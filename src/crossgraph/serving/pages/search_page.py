"""The first page: a box, chips, facets, and the pictures found."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from crossgraph.serving.pages.templates import page

router = APIRouter()


@router.get("/")
async def first() -> Response:
    """The page of a search, or before the first one."""
    return page("search.html", nav="search")
