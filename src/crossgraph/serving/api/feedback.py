"""What people say of answers, kept for later; a search itself is turned by its `like` and `dislike`."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from crossgraph.serving.jobs import require_managing
from crossgraph.serving.problems import Problem, documented
from crossgraph.serving.schemas import Out
from crossgraph.serving.search_request import LONGEST, ItemId
from crossgraph.serving.server import TheServer

router = APIRouter(prefix="/v1/feedback", tags=["feedback"])


class JudgementIn(BaseModel):
    """Whether a picture was what a query meant."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"query": "two dogs", "item": "3f0a9d2c5b7e8140", "verdict": "relevant"}]},
    )

    query: str = Field(min_length=1, max_length=LONGEST)
    item: ItemId
    verdict: Literal["relevant", "irrelevant", "none"] = Field(description="none takes back what was said before.")


class JudgementOut(Out):
    """A judgement that is kept."""

    at: str
    query: str
    item: str
    verdict: str


@router.post("", status_code=201, responses=documented(404, 408, 507))
async def judge(body: JudgementIn, server: TheServer) -> JudgementOut:
    """Keep a judgement beside the gallery; only with --manage."""
    require_managing(server.settings.manage)
    if not server.library.storage.is_folder:
        raise Problem(404, "judgements are kept in the folder of a gallery, and this one lies in an object store.")

    def keep() -> JudgementOut:
        item = server.library.item(body.item)
        return JudgementOut(**server.judgements.add(query=body.query, item=item.id, verdict=body.verdict))

    return await server.files.run(keep)


@router.get("", responses=documented())
async def judgements(
    server: TheServer, most: Annotated[int, Query(ge=1, le=1000, description="So many.")] = 100
) -> list[JudgementOut]:
    """What was said last, newest first; of a query and a picture the last word."""
    found = await server.files.run(lambda: server.judgements.last(most))
    return [JudgementOut(**one) for one in found]
