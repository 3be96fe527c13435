"""`crossgraph gallery move`: a gallery is told where its pictures, its folders and its run lie now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crossgraph.cli.options import AsJson, NamedGallery
from crossgraph.errors import ConfigError

if TYPE_CHECKING:
    from crossgraph.gallery.upkeep.relocation import Relocation


def move(
    gallery: NamedGallery,
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="OLD NEW ...",
            help="A place and where it is now: of pictures, of the run, of an encoder, or a folder that held them all.",
        ),
    ],
    trust: Annotated[
        bool, typer.Option("--trust", help="Look at the size of each picture's file only, not at its content.")
    ] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave what is not at its new place as it was, and move the rest.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would move and what is missing; write nothing; end as the real run."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Go on after folders were moved or renamed: everything that lay in OLD now lies in NEW.

    Pictures keep their ids, notes and features. Each is checked at its new place, and nothing is changed if any is not
    there. A gallery that only moved itself needs no command.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import print_json
    from crossgraph.progress_bars import choose_progress

    if len(places) % 2:
        raise ConfigError(f"give pairs of places, OLD NEW; got {len(places)}: {' '.join(places)}.")
    done = verbs.move_gallery(
        gallery,
        list(zip(places[::2], places[1::2], strict=True)),
        trust=trust,
        allow_missing=allow_missing,
        dry_run=dry_run,
        progress=choose_progress(),
    )
    if as_json:
        print_json({"gallery": str(gallery), "dry_run": dry_run, **done.to_json()})
    else:
        _print(done, gallery, dry_run=dry_run)
    if done.refused:
        raise typer.Exit(2)


def _print(done: Relocation, gallery: str, *, dry_run: bool) -> None:
    if done.refused:
        rest = "is the disk connected, and NEW the right place?"
        typer.echo(
            f"{gallery}: would be refused: {len(done.changed):,} with other content, {len(done.missing):,} missing; "
            f"{f'--allow-missing moves {done.pictures:,} pictures.' if done.pictures else rest}"
        )
        _print_lacking(done)
        return
    would = "would be " if dry_run else ""
    joined = f", {done.joined:,} of them {would}one with what was added there anew" if done.joined else ""
    typer.echo(
        f"{gallery}: {done.pictures:,} pictures {would}moved{joined}, {len(done.changed):,} with other content, "
        f"{len(done.missing):,} missing"
    )
    for old, new in (*done.folders, *([] if done.run is None else [done.run])):
        typer.echo(f"  {old} -> {new}")
    if done.hints is not None:
        typer.echo(f"  {done.hints}")
    _print_lacking(done)


def _print_lacking(done: Relocation) -> None:
    for path in done.changed:
        typer.echo(f"  {path}: has other content; the next sync encodes it", err=True)
    for path in done.missing:
        typer.echo(f"  {path}: is not there", err=True)
