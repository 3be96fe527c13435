"""What the search page shows of one state: answers as tiles, facets, chips, and what there is to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from crossgraph.errors import CrossgraphError, GalleryError
from crossgraph.gallery.search.cascade import FOLLOWS
from crossgraph.gallery.search.examples import example_queries
from crossgraph.gallery.search.facets import MOST, Facet, FacetChoice
from crossgraph.gallery.search.listing import items_of
from crossgraph.gallery.tables.snapshot import Snapshot
from crossgraph.serving import searching
from crossgraph.serving.jobs import Job
from crossgraph.serving.library import Library, shown_name
from crossgraph.serving.pages.page_state import MODES, SORTS, TARGETS, Choice, PageState
from crossgraph.serving.schemas import AnswerOut, ItemOut, SearchOut, items_out
from crossgraph.serving.search_request import DEEPEST, MOST_TERMS, Asked, among_of, asked_of, written_of
from crossgraph.serving.server import Server

NO_CAPTIONS = "there are no captions to search in any more; these are pictures"
MOST_VALUES = 200
MOST_ALIKE = 100
VERDICTS = {
    "strong": "Good matches",
    "weak": "Weak matches only",
    "nothing good found": "No picture shows this well. Nearest:",
}
STAGES = {
    "encode": "understanding the query",
    "codes": "comparing codes",
    "shortlist": "comparing vectors",
    "fetch": "reading regions",
    "rerank": "re-ranking",
    "exact": "exact matches",
    "fold": "folding",
}
ORDERED = {"newest": "Recent pictures", "name": "Pictures by name"}
NARROWEST, WIDEST, STEP = 40, 300, 5
Kind = Literal["start", "browse", "found", "none", "empty"]


@dataclass(frozen=True)
class Tile:
    """One picture of the grid."""

    item: ItemOut
    ratio: int
    href: str
    rank: int = 0
    score: str = ""
    badge: str = ""
    caption: str = ""
    alike: int = 0
    alike_href: str = ""
    alike_part: str = ""
    liked: bool = False
    disliked: bool = False
    line: str = ""
    like: str = ""
    dislike: str = ""
    more: str = ""
    add: str = ""


@dataclass(frozen=True)
class FacetValueShown:
    """A value of a facet with the address that chooses it, or takes it back."""

    label: str
    count: int
    href: str
    chosen: bool
    depth: int = 0


@dataclass(frozen=True)
class FacetShown:
    """A facet; `more` values are not shown, and stand at `more_href`."""

    name: str
    title: str
    values: tuple[FacetValueShown, ...]
    more: int = 0
    more_href: str = ""
    open: bool = True


@dataclass(frozen=True)
class Dropped:
    """A test that can be dropped, and how many pictures would be left then, if that is known."""

    label: str
    href: str
    count: int | None = None


@dataclass(frozen=True)
class View:
    """One state of the page, to be filled into a template. `stage` is that of the answers, "" where none were ranked.

    `next` and `previous` are the addresses of the pages after and before, `part` that of the next page's tiles alone.
    """

    kind: Kind
    state: PageState
    total: int
    tiles: tuple[Tile, ...] = ()
    facets: tuple[FacetShown, ...] = ()
    verdict: str | None = None
    heading: str = ""
    stage: str = ""
    waits: bool = False
    why: str = ""
    searched: int = 0
    milliseconds: float = 0.0
    timings: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    examples: tuple[Choice, ...] = ()
    drops: tuple[Dropped, ...] = ()
    folded: int = 0
    skipped: int | None = 0
    next: str = ""
    part: str = ""
    previous: str = ""
    modes: tuple[Choice, ...] = ()
    sorts: tuple[Choice, ...] = ()
    targets: tuple[Choice, ...] = ()
    folds: tuple[Choice, ...] = ()
    left_out: int = 0
    show_paths: bool = False
    job: Job | None = None

    @property
    def told(self) -> str:
        """What those hear who do not see the answers."""
        if self.kind == "none":
            return "No picture is left by the filters."
        count = f"{len(self.tiles)} {'picture' if len(self.tiles) == 1 else 'pictures'}"
        if self.kind == "found":
            return f"{count}. {self.heading} {self.searched:,} searched.".replace(": ", ". ")
        return f"{count} of {self.total:,}." if self.kind != "empty" else "There are no pictures yet."


def first_view(server: Server, state: PageState) -> View:
    """The whole page of a state, answers in their last order. Raises what a search does."""
    *_, last = views(server, state, staged=False)
    return last


def views(server: Server, state: PageState, *, staged: bool) -> Iterator[View]:
    """The page of a state as soon as it can be shown: the shortlist first where `staged`, then what it ends with."""
    library = server.library
    snapshot = library.gallery.snapshot()
    state = replace(_answerable(snapshot, state), names=_names(snapshot, state))
    if not len(snapshot.items):
        yield View("empty", state, 0, job=server.jobs.running())
        return
    asked = asked_of(state.asked.as_body(), library, server.uploads)
    base = _frame(server, state, snapshot)
    if asked.query is None:
        yield _browsed(base, library, asked, snapshot)
        return
    stages = searching.stages(library, asked) if staged else iter([searching.search(library, asked)])
    for one in stages:
        yield _found(base, library, one, waits=one.why == FOLLOWS)


def more_view(server: Server, state: PageState) -> View:
    """The tiles of a further page alone. Raises what a search does."""
    library = server.library
    snapshot = library.gallery.snapshot()
    state = _answerable(snapshot, state)
    asked = asked_of(state.asked.as_body(), library, server.uploads)
    base = View("found", state, len(snapshot.items))
    if asked.query is None:
        return _browsed(base, library, asked, snapshot)
    return _found(base, library, searching.search(library, asked), waits=False)


def alike_tiles(server: Server, state: PageState, ids: Sequence[str]) -> list[Tile]:
    """Tiles of the pictures that were folded under the answer of the rank `at`, as far as they are still there."""
    found = items_out(server.library.gallery.snapshot(), ids, show_paths=server.library.settings.show_paths)
    return [_tile(state, item, rank=state.asked.at) for item in found.values()]


def facets_shown(library: Library, state: PageState) -> tuple[FacetShown, ...]:
    """The facets of a state, counted before ranking. Raises `GalleryError` or `Problem` for a wrong filter."""
    index, among = library.facets(), among_of(state.asked, library)
    where, chosen = written_of(state.asked, library), state.asked.choices
    counted = index.count(where=where, among=among, chosen=chosen, most=MOST)
    if state.asked.all in index.names:
        whole = index.count(where=where, among=among, chosen=chosen, most=MOST_VALUES, only=state.asked.all).facets
        found = [whole[0] if whole and one.name == whole[0].name else one for one in counted.facets]
    else:
        found = list(counted.facets)
    told = [one for one in found if len(one.values) > 1 or any(value.chosen for value in one.values)]
    folders = next((_counts(one) for one in told if one.name == "folder"), None)
    told = [one for one in told if one.name != "source" or _counts(one) != folders]
    return tuple(_facet_shown(state, one, place) for place, one in enumerate(told))


def _counts(facet: Facet) -> set[tuple[str, int, bool]]:
    """What a facet says, to tell whether another one says the same."""
    return {(one.label, one.count, one.chosen) for one in facet.values}


def _facet_shown(state: PageState, facet: Facet, place: int) -> FacetShown:
    values = []
    for value in facet.values:
        written = str(value.choice)
        others = [one for one in state.asked.facet if one != written]
        href = state.fresh(facet=others if value.chosen else [*others, written])
        values.append(FacetValueShown(value.label, value.count, href, value.chosen, min(value.depth, 4)))
    more_href = state.url(all=facet.name) if facet.more and state.asked.all != facet.name else ""
    chosen = any(value.chosen for value in facet.values)
    return FacetShown(
        facet.name,
        facet.label,
        tuple(values),
        facet.more,
        more_href,
        place < 3 or chosen or state.asked.all == facet.name,
    )


def _frame(server: Server, state: PageState, snapshot: Snapshot) -> View:
    """What stands around the answers, whatever they are."""
    library, asked = server.library, state.asked
    try:
        skipped: int | None = len(library.left_out().files)
    except GalleryError:
        skipped = None
    return View(
        "found",
        state,
        len(snapshot.items),
        facets=facets_shown(library, state),
        skipped=skipped,
        job=server.jobs.running(),
        modes=tuple(Choice(one, state.fresh(mode=one), one == asked.mode) for one in MODES),
        sorts=tuple(Choice(text, state.fresh(sort=one), one == asked.sort) for one, text in SORTS.items()),
        targets=tuple(Choice(text, state.fresh(target=one), one == asked.target) for one, text in TARGETS.items())
        if len(snapshot.captions)
        else (),
        folds=(
            Choice("shown as one", state.fresh(fold=True), asked.fold),
            Choice("each by itself", state.fresh(fold=False), not asked.fold),
        ),
        show_paths=library.settings.show_paths,
    )


def _found(base: View, library: Library, found: SearchOut, *, waits: bool) -> View:
    state, asked = base.state, base.state.asked
    tiles = _lined(state, found, tuple(_answer_tile(state, one) for one in found.results))
    complete = len(found.results) >= asked.k and found.offset + asked.k < found.searched
    drops = () if tiles or found.offset else _drops(library, state)
    shown = replace(
        base,
        kind="found" if tiles or found.offset or not state.filters else "none",
        tiles=tiles,
        verdict=found.verdict,
        heading=VERDICTS.get(found.verdict or "", "Nearest first"),
        stage=found.stage,
        waits=waits,
        why=found.why,
        searched=found.searched,
        milliseconds=sum(found.timings_ms.values()),
        timings=tuple((STAGES.get(name, name), value) for name, value in found.timings_ms.items()),
        notes=(*state.notes, *found.notes),
        drops=drops,
        folded=sum(tile.alike for tile in tiles),
        left_out=base.total - found.searched if state.filters and asked.target == "images" else 0,
    )
    return _paged(shown, complete)


def _browsed(base: View, library: Library, asked: Asked, snapshot: Snapshot) -> View:
    """Pictures by name, or by date, the newest first, nothing being looked for."""
    state, k = base.state, base.state.asked.k
    options, total, show = asked.options, len(snapshot.items), library.settings.show_paths
    order: Literal["name", "newest"] = "name" if options.sort == "name" else "newest"
    current = library.gallery.current()
    found = current.listing.page(
        where=options.where, among=options.among, order=order, offset=state.asked.offset, limit=k
    )
    items = items_out(current.snapshot, [item.id for item in found.items], show_paths=show)
    tiles = tuple(_tile(state, item) for item in items.values())
    plain = not state.filters and not state.asked.offset
    shown = replace(
        base,
        kind="start" if plain else "browse" if tiles or state.asked.offset else "none",
        tiles=tiles,
        searched=found.total,
        heading=ORDERED[order] if not state.filters else f"{found.total:,} of {total:,} pictures",
        examples=tuple(
            Choice(text, state.fresh(q=text)) for text in example_queries(snapshot, seed=date.today().isoformat())
        )
        if plain
        else (),
        drops=() if tiles else _drops(library, state),
        left_out=total - found.total,
    )
    return _paged(shown, state.asked.offset + k < found.total)


def _drops(library: Library, state: PageState) -> tuple[Dropped, ...]:
    """Every test by itself, the most useful to drop first."""
    index, among = library.facets(), among_of(state.asked, library)
    where = state.asked.written
    drops = []

    def left(facet: list[str], expression: str | None) -> int | None:
        try:
            return index.count(where=expression, among=among, chosen=[FacetChoice.parse(one) for one in facet]).kept
        except CrossgraphError:
            return None

    for one in state.asked.facet:
        others = [other for other in state.asked.facet if other != one]
        name, _, value = one.partition(":")
        drops.append(Dropped(f"{name}: {value}", state.fresh(facet=others), left(others, where)))
    if where:
        drops.append(Dropped(where, state.fresh(where=None), left(state.asked.facet, None)))
    if state.asked.region:
        drops.append(Dropped("the marked part of the map", state.fresh(region=None)))
    return tuple(sorted(drops, key=lambda one: -(one.count or 0)))


def _paged(view: View, complete: bool) -> View:
    """With the addresses of the page before, which is not behind the end, and, where `complete`, of that after it."""
    state, offset, k = view.state, view.state.asked.offset, view.state.asked.k
    further: dict[str, Any] = {"offset": offset + k, "open": ""}
    complete = complete and offset + k <= DEEPEST
    return replace(
        view,
        next=state.url(**further) if complete else "",
        part=state.url("/parts/more", **further) if complete else "",
        previous=state.url(offset=max(0, min(offset - k, (view.searched - 1) // k * k)), open="") if offset else "",
    )


def _answer_tile(state: PageState, answer: AnswerOut) -> Tile:
    return replace(
        _tile(state, answer.item, rank=answer.rank),
        rank=answer.rank,
        score=f"{answer.score:.3f}",
        badge="" if answer.match == "semantic" else answer.match,
        caption=answer.caption or "",
        alike=len(answer.similar),
        alike_href=state.fresh(fold=False) if answer.similar else "",
        alike_part=state.url("/parts/alike", ids=answer.similar[:MOST_ALIKE], open="", at=answer.rank)
        if answer.similar
        else "",
    )


def _lined(state: PageState, found: SearchOut, tiles: tuple[Tile, ...]) -> tuple[Tile, ...]:
    """The tiles, of which those that begin the weaker answers say so. A line at the very beginning of a later page is
    not drawn: whether it was drawn before is not known there.
    """
    if state.asked.sort != "score" or found.kind != "text" or state.asked.like or state.asked.dislike:
        return tiles  # the lines were fitted on sentences
    lines = {}
    for text, score in (("weaker matches", found.weaker_below), ("hardly any match", found.nothing_below)):
        under = [
            place
            for place, one in enumerate(found.results)
            if score is not None and one.match == "semantic" and one.score < score
        ]
        if under and under[0] > 0:
            lines[under[0]] = text
    return tuple(replace(tile, line=lines.get(place, "")) for place, tile in enumerate(tiles))


def _tile(state: PageState, item: ItemOut, *, rank: int = 0) -> Tile:
    asked, one = state.asked, item.id
    searches = state.looks_for
    return Tile(
        item,
        ratio_class(item.width, item.height),
        state.url(open=one, at=rank),
        liked=one in asked.like,
        disliked=one in asked.dislike,
        like=state.marked(one, "like") if searches else "",
        dislike=state.marked(one, "dislike") if searches else "",
        more=state.fresh(q=None, term=[f"1:item:{one}"], like=[], dislike=[]),
        add=state.fresh(term=[*asked.term, f"1:item:{one}"]) if searches and len(asked.term) < MOST_TERMS else "",
    )


def ratio_class(width: int, height: int) -> int:
    """Width over height in hundredths, rounded to the steps that the stylesheet has classes for."""
    if width < 1 or height < 1:
        return 100
    return min(WIDEST, max(NARROWEST, round(100 * width / height / STEP) * STEP))


def _answerable(snapshot: Snapshot, state: PageState) -> PageState:
    """`state`; where it would search captions and none are left, the same search of pictures."""
    if state.asked.target == "images" or len(snapshot.captions):
        return state
    return replace(state, asked=state.asked.model_copy(update={"target": "images"}), notes=(NO_CAPTIONS,))


def _names(snapshot: Snapshot, state: PageState) -> dict[str, str]:
    """The file names of the pictures that a state names."""
    ids = {one.value for one in state.terms if one.kind == "item"} | {*state.asked.like, *state.asked.dislike}
    return {one: shown_name(item.path) for one, item in items_of(snapshot, sorted(ids)).items()}
