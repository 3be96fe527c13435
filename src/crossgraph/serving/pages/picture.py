"""One picture: large, with what is known of it, why it matches, and how it got to its place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import RedirectResponse, Response

from crossgraph.errors import CrossgraphError
from crossgraph.serving import searching
from crossgraph.serving.api.explain import found as explanation_of
from crossgraph.serving.api.items import Id, known
from crossgraph.serving.overlay import Overlay, overlay_of
from crossgraph.serving.pages.errors import is_part
from crossgraph.serving.pages.explanation_view import Shown, shown
from crossgraph.serving.pages.page_state import PageParameters, PageState
from crossgraph.serving.pages.shell import shell_of
from crossgraph.serving.pages.templates import page
from crossgraph.serving.problems import told
from crossgraph.serving.schemas import AnswerOut, ItemOut, SearchOut
from crossgraph.serving.search_request import DEEPEST, SearchBody, asked_of
from crossgraph.serving.server import Server, TheServer

router = APIRouter()
STAGES = {"codes": "codes", "shortlist": "vectors", "rerank": "re-ranked"}
MOST = 200  # answers of one page


class PictureParameters(PageParameters):
    """The state of the search page, and the word or match that is lit."""

    word: Annotated[int | None, Field(ge=0)] = None
    match: Annotated[int | None, Field(ge=0)] = None


State = Annotated[PictureParameters, Query()]


@dataclass(frozen=True)
class Step:
    """A stage of the search: the place and the score that it gave a picture."""

    stage: str
    rank: str
    score: float


@dataclass(frozen=True)
class Place:
    """Where a picture stands among the answers: its way there, its neighbours, and the others to compare it with.

    `folded`: it is none of them, but looks like `answer`, which is shown for both.
    """

    answer: AnswerOut
    steps: tuple[Step, ...]
    before: AnswerOut | None
    after: AnswerOut | None
    others: tuple[AnswerOut, ...]
    chosen: str
    of: int
    folded: bool = False


@dataclass(frozen=True)
class Explanation:
    """What the template of an explanation shows; `error` says why there is none."""

    sentence: str
    shown: Shown | None = None
    overlay: Overlay | None = None
    error: str = ""
    more_terms: bool = False


@dataclass(frozen=True)
class Panel:
    """What picture.html shows. `part`: beside the answers, where its place and its explanation come by requests of
    their own. `hidden` is the state as fields of a form.
    """

    item: ItemOut
    state: PageState
    sentence: str
    part: bool
    bytes: str
    liked: bool
    disliked: bool
    links: dict[str, str]
    hidden: list[tuple[str, str]]
    notes: dict[str, str]
    explanation: Explanation | None = None
    place: Place | None = None

    @property
    def own(self) -> str:
        """The address of the picture's own page."""
        return here(self.state, self.item.id)


@router.get("/picture/{id}")
async def picture(id: Id, asked: State, request: Request, server: TheServer) -> Response:
    """The panel of a picture, or, when no script asks for it, a page with it."""
    panel = await panel_for(server, state_of(asked, id), part=is_part(request.url.path, request.headers))
    if panel.part:
        return page("picture.html", panel=panel)
    explanation = await explanation_for(server, panel, word=asked.word, match=asked.match)
    panel = replace(panel, explanation=explanation, place=await place_for(server, panel))
    return page("picture_page.html", shell=shell_of(request, "", theme=asked.theme), panel=panel)


@router.get("/picture/{id}/explanation")
async def explanation_part(id: Id, asked: State, request: Request, server: TheServer) -> Response:
    """Why the picture matches the sentence of the search: a part of the panel, which comes after it."""
    panel = await panel_for(server, state_of(asked, id), part=True)
    if not is_part(request.url.path, request.headers):
        return RedirectResponse(here(panel.state, id), 303)
    explanation = await explanation_for(server, panel, word=asked.word, match=asked.match)
    return page("picture_explanation.html", panel=replace(panel, explanation=explanation))


@router.get("/picture/{id}/place")
async def place_part(id: Id, asked: State, request: Request, server: TheServer) -> Response:
    """How the picture got to its place, and its neighbours: a part of the panel, which comes after it."""
    panel = await panel_for(server, state_of(asked, id), part=True)
    if not is_part(request.url.path, request.headers):
        return RedirectResponse(here(panel.state, id), 303)
    return page("picture_place.html", panel=replace(panel, place=await place_for(server, panel)))


async def panel_for(server: Server, state: PageState, *, part: bool = True) -> Panel:
    """The panel of the picture that is open. Raises `Problem` 404 where there is none."""
    item = await server.files.run(lambda: known(server, state.asked.open))
    return panel_of(item, state, part=part)


def panel_of(item: ItemOut, state: PageState, *, part: bool) -> Panel:
    """The panel of a picture, without what takes time."""
    asked = state.asked
    return Panel(
        item,
        state,
        sentence_of(state),
        part,
        in_bytes(item.bytes),
        item.id in asked.like,
        item.id in asked.dislike,
        links(state, item),
        parse_qsl(state.query(open="")),
        {name: note_words(value) for name, value in item.notes.items()},
    )


def links(state: PageState, item: ItemOut) -> dict[str, str]:
    """Where the buttons of the panel lead; empty for one that would ask for what cannot be."""
    asked, id = state.asked, item.id
    more = [one for one in asked.term if not one.endswith(f":item:{id}")]
    return {
        "close": state.url(open=""),
        "similar": f"/?term=1:item:{id}",
        "like": state.marked(id, "like"),
        "dislike": state.marked(id, "dislike"),
        "add": state.fresh(term=[*more, f"1:item:{id}"]),
        "without": state.fresh(term=[*more, f"-1:item:{id}"]) if state.looks_for else "",
        "file": item.picture,
        "download": f"{item.picture}?download=true",
    }


def sentence_of(state: PageState) -> str:
    """The sentence that is explained: the first of the query with a positive weight; empty where it has none."""
    return next((term.value.strip() for term in state.terms if term.kind == "text" and term.weight > 0), "")


async def explanation_for(
    server: Server, panel: Panel, *, word: int | None = None, match: int | None = None
) -> Explanation:
    """Why a picture matches the sentence of the search, or why that cannot be said."""
    sentence, asked = panel.sentence, panel.state.asked
    if not sentence:
        return Explanation("")
    try:
        found = await explanation_of(server, panel.item.id, sentence)
    except CrossgraphError as error:
        return Explanation(sentence, error=told(error, show_paths=server.settings.show_paths))
    word = word if word is not None and word < len(found.told.words) else None
    match = match if match is not None and match < len(found.told.matches) else None
    return Explanation(
        sentence,
        shown(found.told),
        overlay_of(found, word=word, match=None if word is not None else match),
        more_terms=len(panel.state.terms) > 1 or bool(asked.like or asked.dislike),
    )


async def place_for(server: Server, panel: Panel) -> Place | None:
    """Where a picture stands among the answers of its page, or which of them it is folded under; None for neither."""
    state, id = panel.state, panel.item.id
    if not state.looks_for or state.asked.target != "images":
        return None
    try:
        found = await answers(server, widened(page_of(state.asked.as_body(), state.asked.at)))
    except CrossgraphError:
        return None  # the page of the search says what is wrong with it
    index = next((place for place, one in enumerate(found.results) if id in (one.item.id, *one.similar)), None)
    if index is None:
        return None
    answer = found.results[index]
    before, after = (
        found.results[place] if 0 <= place < len(found.results) else None for place in (index - 1, index + 1)
    )
    chosen = before or after
    return Place(
        answer,
        tuple(steps(answer, found.stage)),
        before,
        after,
        tuple(one for one in found.results if one is not answer),
        "" if chosen is None else chosen.item.id,
        found.searched,
        folded=answer.item.id != id,
    )


async def answers(server: Server, body: SearchBody) -> SearchOut:
    """The answers to a search; those of the last searches are kept, for who opens one picture after the other."""

    def work() -> SearchOut:
        gallery = server.library.gallery

        def make() -> SearchOut:
            return searching.search(server.library, asked_of(body, server.library, server.uploads))

        if body.region:  # the map may be another one by now
            return make()
        key = (gallery.require_model().fingerprint, str(gallery.current().version), body.model_dump_json())
        return server.answers.get(key, make)

    return await server.engine.run(work)


def page_of(body: SearchBody, rank: int) -> SearchBody:
    """The page of the answers that has a `rank`, which came while one scrolled; the page of the address for rank 0."""
    if not rank:
        return body
    offset = body.offset + (rank - 1 - body.offset) // body.k * body.k
    return body.model_copy(update={"offset": min(DEEPEST, max(0, offset))})


def widened(body: SearchBody) -> SearchBody:
    """The same answers with the one before and the one after, so that neighbours are known across pages."""
    if body.sort != "score":
        return body  # a page is sorted by itself
    before = min(body.offset, 1)
    return body.model_copy(update={"offset": body.offset - before, "k": min(MOST, body.k + before + 1)})


def steps(answer: AnswerOut, stage: str) -> list[Step]:
    """The way of an answer through the stages of the search."""
    scores = answer.scores
    found = [Step(STAGES[name], ordinal(rank), scores[name]) for name, rank in answer.ranks.items()]
    last = Step(STAGES[stage], ordinal(answer.rank), answer.score)
    if stage in answer.ranks:  # it ordered the answers itself, but exact hits and folding came after it
        return found if found[-1].rank == last.rank else [*found, Step("shown", last.rank, answer.score)]
    return [*found, last]


def ordinal(rank: int | None) -> str:
    """A place as it is said: 1st, 2nd, 13th; "not found" for none."""
    if rank is None:
        return "not found"
    end = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank:,}{end}"


def in_bytes(count: int) -> str:
    """A number of bytes as people say it."""
    size, unit = float(count), "bytes"
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{count} bytes" if unit == "bytes" else f"{size:.3g} {unit}"


def note_words(value: str | float | bool | datetime) -> str:
    """A value of a note as people write it; the moment 0:00 UTC of a day is the day.

    >>> [note_words(one) for one in (4.0, 0.5, True, "Ulm", datetime(2024, 1, 12, tzinfo=UTC))]
    ['4', '0.5', 'yes', 'Ulm', '2024-01-12']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        return at.date().isoformat() if at.time() == time() else f"{at.isoformat(' ', 'minutes')[:16]} UTC"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def state_of(asked: PictureParameters, id: str) -> PageState:
    """The state of the page with this picture opened."""
    values = asked.model_dump(exclude={"word", "match"}, exclude_unset=True)
    return PageState(PageParameters.model_validate(values | {"open": id}))


def here(state: PageState, id: str) -> str:
    """The address of a picture's own page, with the search it was found by."""
    return state.url(f"/picture/{id}", open="", at=state.asked.at if state.asked.open == id else 0)
