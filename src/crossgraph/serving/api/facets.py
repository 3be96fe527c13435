"""Counts of what a search is among, by folder, date, label, size and note: before anything is ranked."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from crossgraph.serving.problems import documented, readable
from crossgraph.serving.schemas import Out
from crossgraph.serving.search_request import Narrowed, among_of, written_of
from crossgraph.serving.server import Server, TheServer

router = APIRouter(prefix="/v1", tags=["search"])


class FacetValueOut(Out):
    """One value of a facet."""

    choice: str = Field(description="What chooses it: facet=CHOICE.", examples=["label:dog"])
    label: str = Field(description="What it is called.")
    count: int = Field(description="How many pictures have it, of those that all other facets leave.")
    chosen: bool
    depth: int = Field(description="How far it stands below the first level of a tree: folders, months of a year.")


class FacetOut(Out):
    """The values of one facet, and how many more there are."""

    name: str
    label: str
    values: list[FacetValueOut]
    more: int


class FacetsOut(Out):
    """All facets: `among` so many pictures, of which what was chosen keeps `kept`."""

    among: int
    kept: int
    facets: list[FacetOut]


class FacetParameters(Narrowed):
    """Which pictures are counted, and how many values are listed."""

    only: str | None = Field(None, max_length=200, description="Of this facet alone.")
    most: int = Field(12, ge=1, le=500, description="So many values of each facet.")


@router.get("/facets", responses=documented())
async def facets(parameters: Annotated[FacetParameters, Query()], server: TheServer) -> FacetsOut:
    """How many pictures there are of each folder, date, label, size and note."""
    return await server.engine.run(lambda: facets_out(server, parameters, only=parameters.only, most=parameters.most))


def facets_out(server: Server, narrowed: Narrowed, *, only: str | None = None, most: int = 12) -> FacetsOut:
    """The facets of the pictures that are meant."""
    found = server.library.facets().count(
        where=written_of(narrowed, server.library),
        among=among_of(narrowed, server.library),
        chosen=narrowed.choices,
        only=only,
        most=most,
    )
    return FacetsOut(
        among=found.among,
        kept=found.kept,
        facets=[
            FacetOut(
                name=facet.name,
                label=readable(facet.label),
                more=facet.more,
                values=[
                    FacetValueOut(
                        choice=readable(str(value.choice)),
                        label=readable(value.label),
                        count=value.count,
                        chosen=value.chosen,
                        depth=value.depth,
                    )
                    for value in facet.values
                ],
            )
            for facet in found.facets
        ],
    )
