"""`crossgraph search`: a gallery by sentence, picture file, one of its own pictures, or a weighted sum of those."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crossgraph.cli.options import AsJson, Device, GalleryFolder, OtherRun, Where
from crossgraph.errors import ConfigError

if TYPE_CHECKING:
    from crossgraph.gallery.search.query import Query


def search(
    gallery: GalleryFolder,
    query: Annotated[
        list[str] | None,
        typer.Argument(
            help="What the pictures should show; or a sum of sentences, picture files and item:IDs, joined by + and -, "
            "as in 2:horse + ./pool.jpg - fruit. Without one, a terminal is asked for one after the other."
        ),
    ] = None,
    image: Annotated[Path | None, typer.Option("--image", help="Search by this picture file instead.")] = None,
    item: Annotated[
        str | None, typer.Option("--item", help="Search by this picture of the gallery (id or path) instead.")
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", help="Answer every line of this file instead, or, with -, of what is piped in."),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many answers.")] = 10,
    mode: Annotated[str, typer.Option(help="How much work: fast, balanced or best.")] = "best",
    candidates: Annotated[
        int | None,
        typer.Option(help="How many the codes hand on, instead of the mode's number; 0: they answer alone."),
    ] = None,
    shortlist: Annotated[int | None, typer.Option(help="How many are re-ranked, instead of the mode's number.")] = None,
    probe: Annotated[
        int | None,
        typer.Option(help="Lists of every shard to look into, of a gallery on disk; else a sixteenth."),
    ] = None,
    memory: Annotated[
        Literal["auto", "whole", "disk"],
        typer.Option(
            help="Search vectors in memory, or in shards on disk; auto: on disk where it has shards and 1 GiB."
        ),
    ] = "auto",
    rerank: Annotated[bool, typer.Option("--rerank/--no-rerank", help="Order candidates by the fine score.")] = True,
    captions: Annotated[bool, typer.Option("--captions", help="Answer with captions instead of pictures.")] = False,
    like: Annotated[list[str] | None, typer.Option(help="A picture that was meant; repeatable.")] = None,
    dislike: Annotated[list[str] | None, typer.Option(help="A picture that was not meant; repeatable.")] = None,
    exact: Annotated[
        bool, typer.Option("--exact/--no-exact", help="Put the very caption, tag or file name first.")
    ] = True,
    offset: Annotated[int, typer.Option(help="Pass over so many answers.")] = 0,
    sort: Annotated[Literal["score", "name", "date"], typer.Option(help="The order of the answers given.")] = "score",
    where: Where = None,
    fold: Annotated[
        bool, typer.Option("--fold/--unfold", help="Show pictures that look alike as one answer, or each by itself.")
    ] = True,
    at_least: Annotated[
        str | None,
        typer.Option("--at-least", metavar="VERSION", help="Search what was written by the version a write reported."),
    ] = None,
    model: OtherRun = None,
    device: Device = "cpu",
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one line per answer, separated by commas.")] = False,
    paths: Annotated[bool, typer.Option("--paths", help="Print the paths alone, one a line, for pipes.")] = False,
    print0: Annotated[
        bool, typer.Option("--print0", help="With --paths: end each with a NUL, not a new line, for xargs -0.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Draw each picture, small, in the terminal.")] = False,
) -> None:
    """Print the best answers with rank, score, place in the shortlist, and path."""
    from crossgraph import verbs
    from crossgraph.cli.answers import Printer, answer_each
    from crossgraph.cli.queries import lines_of, prompted
    from crossgraph.cli.search_notes import SearchNotes
    from crossgraph.gallery.search.options import SearchOptions
    from crossgraph.gallery.search.query import Feedback

    asked = _query(query or [], image, item, queries)
    printer = Printer.of(
        as_json=as_json,
        as_csv=as_csv,
        paths=paths,
        print0=print0,
        several=asked is None,
        headed=queries is not None,
    )
    if preview and printer.form != "people":
        raise ConfigError("--preview draws for people; leave out --json, --csv and --paths.")
    if preview:
        from crossgraph.cli.previews import Previews, terminal

        console = terminal()
    options = SearchOptions(
        k=k,
        mode=mode,
        candidates=candidates,
        shortlist=shortlist,
        probe=probe,
        rerank=rerank,
        target="captions" if captions else "images",
        exact=exact,
        offset=offset,
        sort=sort,
        where=where,
        fold=fold,
    )
    feedback = Feedback(tuple(like or ()), tuple(dislike or ()))
    opened = verbs.open_to_search(gallery, model=model, device=device, memory=memory)
    if at_least is not None:
        opened.wait_for(at_least)
    if preview:
        printer.preview = Previews(console, opened).show
    printer.more = SearchNotes(
        gallery,
        where,
        lambda target: len(opened.snapshot().items if target == "images" else opened.snapshot().captions),
    )
    if asked is not None:
        printer.show(opened.search(asked, options, feedback=feedback))
        return
    lines = prompted() if queries is None else lines_of(queries)
    failed = answer_each(lines, lambda query: opened.search(query, options, feedback=feedback), printer)
    if failed and queries is not None:
        raise typer.Exit(2)


def _query(words: list[str], image: Path | None, item: str | None, queries: Path | None) -> Query | None:
    """The one query; None where several are to be read. Raises `ConfigError` for more than one, or none at all."""
    from crossgraph.gallery.search.query import ImageQuery, ItemQuery, parse_query

    given = sum((bool(words), image is not None, item is not None, queries is not None))
    if given > 1 or (not given and not sys.stdin.isatty()):
        raise ConfigError(
            "give exactly one query: a sentence, --image FILE, or --item ID_OR_PATH; or several: --queries FILE."
            + _together(words, image, item)
        )
    if words:
        return parse_query(words)
    if image is not None:
        return ImageQuery(image)
    return None if item is None else ItemQuery(item)


def _together(words: list[str], image: Path | None, item: str | None) -> str:
    """How queries that were given side by side are asked as one, if there are several."""
    given = [words, [] if image is None else [f"image:{image}"], [] if item is None else [f"item:{item}"]]
    terms = [shlex.join(one) for one in given if one]
    return f" To search by their sum: `crossgraph search {' + '.join(terms)}`" if len(terms) > 1 else ""
