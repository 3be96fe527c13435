"""Searches made for requests: what the API and the page both answer."""

from __future__ import annotations

from collections.abc import Iterator

from crossgraph.gallery.search.query import ImageQuery, Query, SumQuery, described
from crossgraph.gallery.search.results import SearchResults
from crossgraph.serving.library import Library
from crossgraph.serving.problems import Problem
from crossgraph.serving.schemas import SearchOut, answer_out, items_out, search_out
from crossgraph.serving.search_request import Asked


def search(library: Library, asked: Asked) -> SearchOut:
    """The answers to a search. Raises `Problem` 422 where nothing is looked for, and what `Gallery.search` does."""
    found = library.gallery.search(_required(asked), asked.options, feedback=asked.feedback)
    return _out(library, asked, found)


def stages(library: Library, asked: Asked) -> Iterator[SearchOut]:
    """The answers of the shortlist, and then, if the model re-ranks, those in their last order."""
    for found in library.gallery.stages(_required(asked), asked.options, feedback=asked.feedback):
        yield _out(library, asked, found)


def _required(asked: Asked) -> Query:
    if asked.query is None:
        raise Problem(
            422, "nothing is looked for. Give a sentence (q=two dogs), or a term (term=1:item:ID); /v1/items lists all."
        )
    return asked.query


def _out(library: Library, asked: Asked, found: SearchResults) -> SearchOut:
    """The answers whose pictures are still there, in their order."""
    state, show = library.gallery.current(), library.settings.show_paths
    items = items_out(state.snapshot, [one.id for one in found.results], show_paths=show)
    # what is not there was removed since it was found
    answers = [answer_out(result, items[result.id]) for result in found.results if result.id in items]
    return search_out(found, answers, version=str(state.version), query=_said(asked.query, found))


def _said(query: Query | None, found: SearchResults) -> str:
    """What was understood; an uploaded picture is called so, not by the file it was put into."""
    if isinstance(query, ImageQuery):
        return "a picture"
    if isinstance(query, SumQuery):
        named = [
            (term, "a picture" if isinstance(term.query, ImageQuery) else described(term.query)[1])
            for term in query.terms
        ]
        said = " ".join(f"{'-' if term.weight < 0 else '+'} {abs(term.weight):g}:{text}" for term, text in named)
        return said.removeprefix("+ ")
    return found.query
