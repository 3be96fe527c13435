"""What the API answers, as OpenAPI describes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from crossgraph.gallery.search.results import SearchResult, SearchResults
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.serving.library import shown_name
from crossgraph.serving.problems import readable


class Out(BaseModel):
    """Every field is always there."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class ItemOut(Out):
    """One picture of a gallery."""

    id: str = Field(examples=["3f0a9d2c5b7e8140"])
    name: str = Field(description="The name of its file.", examples=["IMG_0042.jpg"])
    path: str | None = Field(description="Where its file lies, if the server was started with --show-paths.")
    width: int
    height: int
    bytes: int
    captions: list[str] = Field(description="Sentences it came with.")
    labels: list[str]
    modified: datetime | None = Field(description="When its file was last written, in UTC.")
    taken: datetime | None = Field(description="What its camera noted; read as if it were UTC.")
    notes: dict[str, Any] = Field(description="Columns that users added.")
    thumbnail: str = Field(description="The address of a small WebP of it.")
    picture: str = Field(description="The address of its file.")
    alt: str = Field(description="A text in its place: its best caption, else its labels, else its name.")


class AnswerOut(Out):
    """One answer of a search."""

    rank: int = Field(description="From 1; an exact hit comes before all others.")
    score: float = Field(description="That of the last stage that ran; comparable within one search alone.")
    match: Literal["semantic", "caption", "tag", "file name"] | str = Field(
        description="semantic, or what of the picture is the very query: caption, tag, file name."
    )
    caption: str | None = Field(description="The caption found, where captions were searched.")
    ranks: dict[str, int | None] = Field(description="Its place at each stage; null where that did not hand it on.")
    scores: dict[str, float] = Field(description="Its score at each stage.")
    similar: list[str] = Field(description="The ids of pictures folded under this one: they look like it.")
    item: ItemOut


class SearchOut(Out):
    """The answers to one search."""

    query: str = Field(description="What was understood; sums in the notation of the command line.")
    kind: Literal["text", "image", "item", "sum"]
    target: Literal["images", "captions"]
    stage: Literal["codes", "shortlist", "rerank"] = Field(description="The last stage that ran.")
    why: str = Field(description="Why nothing was re-ranked; empty if it was.")
    mode: str
    offset: int
    searched: int = Field(description="How many pictures or captions were searched.")
    compared: dict[str, int] = Field(description="How many each stage compared with the query.")
    timings_ms: dict[str, float]
    verdict: Literal["strong", "weak", "nothing good found"] | None = Field(
        description="Whether the query has a good answer; null where the model was not calibrated for this."
    )
    probability: float | None = Field(
        description="That the query has a good answer, by the scores; null where that is not known, and where a "
        "caption, tag or file name is the query, which makes the verdict strong whatever the scores are."
    )
    weaker_below: float | None = Field(
        description="Answers of a lower score are weaker than a strong one; null where none of the first 200 is."
    )
    nothing_below: float | None = Field(description="Answers of a lower score are no good ones; null as above.")
    notes: list[str] = Field(description="What of the query the model did not know, and the like.")
    version: str = Field(description="The state of the gallery that was searched, or a later one.")
    results: list[AnswerOut]


class ItemsOut(Out):
    """A page of pictures, nothing being looked for."""

    total: int
    offset: int
    items: list[ItemOut]
    version: str


class UploadOut(Out):
    """A picture that was sent, to be searched by: `term=1:image:ID`."""

    id: str
    width: int
    height: int
    seconds: float = Field(description="So long it is kept.")


class HealthOut(Out):
    """How the server is."""

    status: Literal["alive", "ready", "loading", "failed"]
    phase: str = Field(description="What it is doing.")
    seconds: float = Field(description="How long loading took, or has taken so far.")
    seconds_last_time: float | None = Field(description="How long it took the last time, if that is known.")


def items_out(snapshot: Snapshot, ids: Sequence[str], *, show_paths: bool) -> dict[str, ItemOut]:
    """The pictures with these ids as the API says them, by id, in that order; ids of none are left out."""
    rows = snapshot.rows(ids)
    known = zip(snapshot.items_at(rows), snapshot.notes_at(rows), strict=True)
    return {item.id: _item_out(item, notes, show_paths=show_paths) for item, notes in known}


def _item_out(item: Item, notes: dict[str, Any], *, show_paths: bool) -> ItemOut:
    name = shown_name(item.path)
    captions = [readable(text) for text in item.captions]
    labels = [readable(text) for text in item.labels]
    return ItemOut(
        id=item.id,
        name=name,
        path=readable(str(item.path)) if show_paths else None,
        width=item.width,
        height=item.height,
        bytes=item.bytes,
        captions=captions,
        labels=labels,
        modified=item.modified,
        taken=item.taken,
        notes=notes,
        thumbnail=f"/v1/items/{item.id}/thumbnail",
        picture=f"/v1/items/{item.id}/picture",
        alt=captions[0] if captions else ", ".join(labels) or name,
    )


def answer_out(result: SearchResult, item: ItemOut) -> AnswerOut:
    """An answer as the API says it."""
    return AnswerOut(
        rank=result.rank,
        score=result.score,
        match=result.match,
        caption=None if result.caption is None else readable(result.caption),
        ranks=result.ranks,
        scores=result.scores,
        similar=list(result.similar_ids),
        item=item,
    )


def search_out(found: SearchResults, answers: list[AnswerOut], *, version: str, query: str) -> SearchOut:
    """The answers to a search as the API says them."""
    return SearchOut(
        query=readable(query),
        kind=found.kind,
        target=found.target,
        stage=found.stage,
        why=found.why,
        mode=found.mode,
        offset=found.offset,
        searched=found.searched,
        compared=found.compared or {},
        timings_ms={name: round(value, 2) for name, value in found.timings_ms.items()},
        verdict=found.verdict,
        probability=found.probability,
        weaker_below=found.weaker_below,
        nothing_below=found.nothing_below,
        notes=[readable(note) for note in found.notes],
        version=version,
        results=answers,
    )
