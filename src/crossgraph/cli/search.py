"""`crossgraph search`: a gallery by sentence, by picture file, or by one of its own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossgraph.cli.options import AsJson, Device, GalleryFolder, OtherRun, Where
from crossgraph.errors import ConfigError

if TYPE_CHECKING:
    from crossgraph.gallery.cascade import Query, SearchResults


def search(
    gallery: GalleryFolder,
    sentence: Annotated[str | None, typer.Argument(help="What the pictures should show.")] = None,
    image: Annotated[Path | None, typer.Option("--image", help="Search by this picture file instead.")] = None,
    item: Annotated[
        str | None, typer.Option("--item", help="Search by this picture of the gallery (id or path) instead.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many answers.")] = 10,
    shortlist: Annotated[int, typer.Option("--shortlist", help="How many candidates are re-ranked.")] = 100,
    rerank: Annotated[bool, typer.Option("--rerank/--no-rerank", help="Order candidates by the fine score.")] = True,
    captions: Annotated[bool, typer.Option("--captions", help="Answer with captions instead of pictures.")] = False,
    where: Where = None,
    fold: Annotated[
        bool, typer.Option("--fold/--unfold", help="Show pictures that look alike as one answer, or each by itself.")
    ] = True,
    model: OtherRun = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Print the best answers with rank, score, place in the shortlist, and path."""
    from crossgraph import verbs
    from crossgraph.cli.output import print_json

    query = _query(sentence, image, item)
    opened = verbs.open_gallery(gallery, model=model, device=device)
    found = opened.search(
        query,
        k=k,
        shortlist=shortlist,
        rerank=rerank,
        target="captions" if captions else "pictures",
        where=where,
        fold=fold,
    )
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)


def _query(sentence: str | None, image: Path | None, item: str | None) -> Query:
    from crossgraph.gallery.cascade import ImageQuery, ItemQuery, TextQuery

    if sum(given is not None for given in (sentence, image, item)) != 1:
        raise ConfigError("give exactly one query: a sentence, --image FILE, or --item ID_OR_PATH.")
    if sentence is not None:
        return TextQuery(sentence)
    return ImageQuery(image) if image is not None else ItemQuery(str(item))


def _print(found: SearchResults) -> None:
    for result in found.results:
        moved = "" if found.stage == "shortlist" else f"  (shortlist {result.shortlist_rank:3})"
        caption = "" if result.caption is None else f"  {result.caption}"
        alike = f"  (+{len(result.similar)} alike)" if result.similar else ""
        typer.echo(f"{result.rank:3}  {result.score:7.4f}{moved}  {result.path}{caption}{alike}")
    stage = f"by the shortlist alone: {found.why}" if found.stage == "shortlist" else "re-ranked"
    milliseconds = sum(found.timings_ms.values())
    typer.echo(f"{found.searched:,} {found.target} searched in {milliseconds:.0f} ms, {stage}", err=True)
