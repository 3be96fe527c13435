"""Two answers of a search compared, as the API and the page say it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crossgraph.gallery.explanations.compare import StageComparison, WordComparison
from crossgraph.serving.library import unknown_item
from crossgraph.serving.problems import Problem, readable
from crossgraph.serving.schemas import ItemOut, Out, items_out
from crossgraph.serving.search_request import SearchBody, asked_of
from crossgraph.serving.server import Server


class PlaceOut(Out):
    """Where a stage had a picture."""

    rank: int | None = Field(description="From 1; null where the stage did not have it.")
    score: float | None


class StageComparisonOut(Out):
    """Two pictures at one stage of the search."""

    stage: Literal["exact", "codes", "shortlist", "rerank"]
    first: PlaceOut
    second: PlaceOut
    ahead: Literal["first", "second"] | None = Field(description="The one before the other there.")
    difference: float | None = Field(description="How much higher the first was scored.")


class WordComparisonOut(Out):
    """A word of the query, or a node of its scene graph, in both pictures."""

    word: str
    first: float
    second: float
    difference: float = Field(description="How much more it says for the first.")


class CompareOut(Out):
    """Why one of two answers stands above the other."""

    query: str = Field(description="The sentence of the search; empty where it is none.")
    first: ItemOut
    second: ItemOut
    above: Literal["first", "second"]
    decided: Literal["exact", "codes", "shortlist", "rerank"] = Field(
        description="The stage since which the one stands above the other."
    )
    stages: list[StageComparisonOut]
    words: list[WordComparisonOut]
    nodes: list[WordComparisonOut]
    unit: Literal["contribution", "score"] | None = Field(
        description="What the numbers of words are: what each adds to the score, or how well it was found."
    )
    blend: float | None = Field(description="What of the last difference is that of the vectors, if they are added.")
    sentences: list[str] = Field(description="The same in plain words.")
    notes: list[str] = Field(description="What cannot be compared, and why.")
    version: str


def compared(server: Server, body: SearchBody, first: str, second: str) -> CompareOut:
    """Why one of two pictures stands above the other in the answers to a search.

    Raises `Problem` 404 for an unknown id, 422 where nothing is looked for or a picture is no answer.
    """
    library = server.library
    show, snapshot = server.settings.show_paths, library.gallery.snapshot()
    known = items_out(snapshot, [first, second], show_paths=show)
    for id in (first, second):
        if id not in known:
            raise unknown_item(id)
    one, other = known[first], known[second]
    asked = asked_of(body, library, server.uploads)
    if asked.query is None:
        raise Problem(422, "nothing is looked for, so no answer is above another. Give a sentence: q=two dogs.")
    names = one.name, other.name
    found = library.gallery.compare(
        asked.query,
        first,
        second,
        asked.options,
        feedback=asked.feedback,
        names=names if names[0] != names[1] else ("A", "B"),
    )
    return CompareOut(
        query=readable(found.query),
        first=one,
        second=other,
        above=found.above,
        decided=found.decided,
        stages=[_stage(stage) for stage in found.stages],
        words=[_word(word) for word in found.words],
        nodes=[_word(node) for node in found.nodes],
        unit=found.unit,
        blend=found.blend,
        sentences=[readable(text) for text in found.sentences],
        notes=[readable(text) for text in found.notes],
        version=library.version(),
    )


def _stage(one: StageComparison) -> StageComparisonOut:
    return StageComparisonOut(
        stage=one.stage,
        first=PlaceOut(rank=one.first.rank, score=one.first.score),
        second=PlaceOut(rank=one.second.rank, score=one.second.score),
        ahead=one.ahead,
        difference=one.difference,
    )


def _word(one: WordComparison) -> WordComparisonOut:
    return WordComparisonOut(word=readable(one.word), first=one.first, second=one.second, difference=one.difference)
