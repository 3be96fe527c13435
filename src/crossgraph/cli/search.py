"""`crossgraph search`: a gallery by sentence, picture file, one of its own pictures, or a weighted sum of those."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crossgraph.cli.options import AsJson, Device, GalleryFolder, OtherRun, Where
from crossgraph.errors import ConfigError

if TYPE_CHECKING:
    from crossgraph.gallery.search.query import Query
    from crossgraph.gallery.search.results import SearchResult, SearchResults


def search(
    gallery: GalleryFolder,
    query: Annotated[
        list[str] | None,
        typer.Argument(
            help="What the pictures should show; or a sum of sentences, picture files and item:IDs, joined by + and -, "
            "as in 2:horse + ./pool.jpg - fruit."
        ),
    ] = None,
    image: Annotated[Path | None, typer.Option("--image", help="Search by this picture file instead.")] = None,
    item: Annotated[
        str | None, typer.Option("--item", help="Search by this picture of the gallery (id or path) instead.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many answers.")] = 10,
    mode: Annotated[str, typer.Option("--mode", help="How much work: fast, balanced or best.")] = "best",
    candidates: Annotated[
        int | None, typer.Option("--candidates", help="How many the codes hand on, instead of the mode's number.")
    ] = None,
    shortlist: Annotated[
        int | None, typer.Option("--shortlist", help="How many are re-ranked, instead of the mode's number.")
    ] = None,
    rerank: Annotated[bool, typer.Option("--rerank/--no-rerank", help="Order candidates by the fine score.")] = True,
    captions: Annotated[bool, typer.Option("--captions", help="Answer with captions instead of pictures.")] = False,
    like: Annotated[list[str] | None, typer.Option("--like", help="A picture that was meant; repeatable.")] = None,
    dislike: Annotated[
        list[str] | None, typer.Option("--dislike", help="A picture that was not meant; repeatable.")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact/--no-exact", help="Put the very caption, tag or file name first.")
    ] = True,
    offset: Annotated[int, typer.Option("--offset", help="Pass over so many answers.")] = 0,
    sort: Annotated[
        Literal["score", "name", "date"], typer.Option("--sort", help="The order of the answers printed.")
    ] = "score",
    where: Where = None,
    fold: Annotated[
        bool, typer.Option("--fold/--unfold", help="Show pictures that look alike as one answer, or each by itself.")
    ] = True,
    model: OtherRun = None,
    device: Device = "cpu",
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one line per answer, separated by commas.")] = False,
    paths: Annotated[bool, typer.Option("--paths", help="Print the paths alone, one a line, for pipes.")] = False,
) -> None:
    """Print the best answers with rank, score, place in the shortlist, and path."""
    from crossgraph import verbs
    from crossgraph.cli.output import print_json
    from crossgraph.gallery.search.query import Feedback

    if as_json + as_csv + paths > 1:
        raise ConfigError("give one of --json, --csv and --paths.")
    asked = _query(query or [], image, item)
    found = verbs.open_gallery(gallery, model=model, device=device).search(
        asked,
        k=k,
        mode=mode,
        candidates=candidates,
        shortlist=shortlist,
        rerank=rerank,
        target="captions" if captions else "images",
        feedback=Feedback(tuple(like or ()), tuple(dislike or ())),
        exact=exact,
        offset=offset,
        sort=sort,
        where=where,
        fold=fold,
    )
    if as_json:
        print_json(found.to_json())
    elif as_csv:
        typer.echo(found.to_csv(), nl=False)
    elif paths:
        for path in dict.fromkeys(result.path for result in found.results):
            typer.echo(path)
    else:
        _print(found)


def _query(words: list[str], image: Path | None, item: str | None) -> Query:
    from crossgraph.gallery.search.query import ImageQuery, ItemQuery, parse_query

    if sum((bool(words), image is not None, item is not None)) != 1:
        raise ConfigError("give exactly one query: a sentence, --image FILE, or --item ID_OR_PATH.")
    if words:
        return parse_query(words)
    return ImageQuery(image) if image is not None else ItemQuery(str(item))


def _print(found: SearchResults) -> None:
    if found.kind == "sum":
        typer.echo(f"searched for: {found.query}", err=True)
    for result in found.results:
        caption = "" if result.caption is None else f"  {result.caption}"
        notes = "" if result.match == "semantic" else f"  [{result.match}]"
        notes += f"  (+{len(result.similar)} alike)" if result.similar else ""
        typer.echo(f"{result.rank:3}  {result.score:7.4f}{_moved(found, result)}  {result.path}{caption}{notes}")
    stage = "re-ranked" if found.stage == "rerank" else f"by the {found.stage} alone: {found.why}"
    times = ", ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in found.timings_ms.items())
    typer.echo(f"{found.searched:,} {found.target} searched, {stage} ({times} ms)", err=True)
    if found.verdict is not None:
        chance = "" if found.probability is None else f" (a good answer with probability {found.probability:.2f})"
        typer.echo(f"match: {found.verdict}{chance}", err=True)


def _moved(found: SearchResults, result: SearchResult) -> str:
    """Where each earlier stage had the answer, if there was one."""
    earlier = [stage for stage in result.ranks if stage != found.stage]
    said = ", ".join(f"{stage} {'-' if result.ranks[stage] is None else result.ranks[stage]:>3}" for stage in earlier)
    return f"  ({said})" if said else ""
