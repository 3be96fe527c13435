"""`crossgraph gallery`: look after a gallery, and change single pictures of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.move import move
from crossgraph.cli.options import AsJson, ClusterAddress, Device, GalleryArgument, NamedGallery, OtherRun, Where
from crossgraph.cli.shards import recall, shard
from crossgraph.errors import ConfigError, GalleryError
from crossgraph.gallery.home import home_gallery

LONGEST = 60 * 24 * 366  # minutes

gallery_commands = typer.Typer(help="Look after a gallery, and change single pictures of it.", no_args_is_help=True)
gallery_commands.command()(move)
gallery_commands.command()(shard)
gallery_commands.command()(recall)


@gallery_commands.command()
def stats(
    gallery: GalleryArgument,
    skipped: Annotated[
        bool, typer.Option("--skipped", help="List all that the last look at the folders left out, and why.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rows, bytes, fragments, model, folders, duplicates, last compaction."""
    from crossgraph.cli.output import facts_table, print_json, print_rich, print_skipped
    from crossgraph.gallery.tables.skipped import read_skipped
    from crossgraph.gallery.upkeep.stats import gallery_stats

    found = gallery_stats(gallery)
    left_out = read_skipped(gallery)
    if as_json:
        at = None if found.optimized_at is None else found.optimized_at.isoformat()
        print_json(
            {
                "gallery": str(gallery),
                **asdict(found),
                "optimized_at": at,
                "skipped_files": [one.to_json() for one in left_out],
            }
        )
        return
    rows: list[tuple[str, object]] = [
        ("pictures", f"{found.rows:,}"),
        ("captions", f"{found.captions:,}"),
        ("annotated", f"{found.annotated:,} ({', '.join(found.columns) or 'no columns'})"),
        ("duplicates", f"{found.equal:,} equal files, {_count(found.alike)} that look alike"),
        ("skipped files", f"{_count(found.skipped)}; {_count(found.removed)} more removed by hand"),
        ("not followed", f"{_count(found.unfollowed)} pictures, left out by the last look at the folders"),
        ("bytes", f"{found.bytes:,}"),
        ("fragments", f"{found.fragments:,}"),
        ("model", f"{found.method} {found.model}"),
        ("shortlist model", found.shortlist or "its own embedding"),
        ("loaded from", found.run or "unknown"),
        ("folders", "\n".join(found.sources) or "none remembered"),
        ("last compaction", _when(found.optimized_at, found.optimized_saved)),
    ]
    rows += [
        (f"table {table.name}", f"{table.rows:,} rows, {table.fragments:,} fragments, {table.bytes:,} bytes")
        for table in found.tables
    ]
    if found.migrating:
        rows.append(("migration", "begun and not ended; run `crossgraph gallery migrate` again"))
    print_rich(facts_table(*rows))
    if skipped:
        print_skipped(left_out)


@gallery_commands.command()
def verify(
    gallery: GalleryArgument,
    rehash: Annotated[bool, typer.Option("--rehash", help="Read every picture's file, not only its size.")] = False,
    as_json: AsJson = False,
) -> None:
    """Prove that every picture is found and every feature is finite and there; exits with 1 if anything is wrong."""
    from crossgraph.cli.output import print_json, shown
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.gallery.upkeep import health
    from crossgraph.progress_bars import choose_progress

    found = health.verify(Gallery.open(gallery, memory="whole"), rehash=rehash, progress=choose_progress())
    if as_json:
        print_json(asdict(found))
    else:
        typer.echo(
            f"{gallery}: {found.rows:,} pictures, {found.found:,} found by their own vector, {found.features:,} sound "
            f"features, {found.files:,} files as stored, {found.orphans:,} orphans, {len(found.problems):,} problems"
        )
        for problem in found.problems:
            typer.echo(f"  {shown(problem.subject)}: {shown(problem.message)}", err=True)
    if found.problems:
        raise typer.Exit(1)


@gallery_commands.command()
def optimize(
    gallery: GalleryArgument,
    keep: Annotated[float, typer.Option("--keep", help="Minutes for which old versions stay readable.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Compact the tables, and note when that was and what it saved."""
    from crossgraph.cli.output import print_json
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.gallery.upkeep import health

    if not 0 <= keep <= LONGEST:
        raise ConfigError(f"--keep must be at least 0 minutes, and at most a year's ({LONGEST:,}), got {keep}.")
    before, after = health.optimize(Gallery.open(gallery), keep=timedelta(minutes=keep))
    if as_json:
        print_json({"gallery": str(gallery), "bytes_before": before, "bytes_after": after})
    else:
        until = f"; old versions stay for {keep:g} minutes, run it again after that" if after > before else ""
        typer.echo(f"{gallery}: {before:,} bytes before, {after:,} after{until}")


@gallery_commands.command()
def migrate(
    gallery: GalleryArgument,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="The trained run or cascade; may be left out where the gallery's came with crossgraph: the one that "
            "comes with it now.",
        ),
    ] = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave out pictures whose file cannot be read any more.")
    ] = False,
    cluster: ClusterAddress = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Encode every picture with another trained run, while searches by the old one go on, then switch at once.

    Run it again after a kill: it goes on where it was.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_skipped
    from crossgraph.progress_bars import choose_progress

    done = verbs.migrate(
        gallery, model, leave_out=leave_out, cluster=cluster, progress=choose_progress(), device=device
    )
    if as_json:
        print_json({"gallery": str(gallery), **asdict(done), "left_out": [one.to_json() for one in done.left_out]})
        return
    typer.echo(
        f"{gallery}: {done.encoded:,} pictures encoded, {done.found_encoded:,} by an earlier run, "
        f"{len(done.left_out):,} left out, in {done.seconds:.1f} s"
    )
    print_skipped(done.left_out)


@gallery_commands.command()
def export(
    gallery: GalleryArgument,
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; none: stdout.")] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, jsonl, json or paths; else by the ending of --out (.csv, .jsonl, .ndjson, .json, .txt).",
        ),
    ] = None,
    where: Where = None,
    print0: Annotated[
        bool, typer.Option("--print0", help="With paths: end each with a NUL, not a new line, for xargs -0.")
    ] = False,
) -> None:
    """Everything known of the pictures besides features: CSV, JSON lines, a JSON list, or bare paths."""
    from crossgraph.cli.output import print_raw, shown
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.gallery.upkeep.export import export_file, export_lines, format_of

    opened, chosen = Gallery.open(gallery), format_of(format, out)
    if print0 and chosen != "paths":
        raise ConfigError("--print0 parts paths; give --format paths too.")
    end = "\0" if print0 else "\n"
    if out is None:
        for line in export_lines(opened, format=chosen, where=where):
            print_raw(line, end=end)
    else:
        count = export_file(opened, out, format=chosen, where=where, end=end)
        typer.echo(f"{count:,} pictures in {shown(out)}", err=True)


@gallery_commands.command()
def add(
    gallery: NamedGallery,
    files: Annotated[list[Path] | None, typer.Argument(help="Picture files.")] = None,
    id: Annotated[
        str | None, typer.Option("--id", help="The id, for one file; replaces the picture that has it.")
    ] = None,
    captions: Annotated[list[str] | None, typer.Option("--caption", help="A caption; may be given often.")] = None,
    labels: Annotated[list[str] | None, typer.Option("--label", help="A label; may be given often.")] = None,
    model: OtherRun = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Add or replace single pictures. A sync keeps their captions and labels.

    Files that cannot be used are listed, and the exit code is then 1.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_skipped
    from crossgraph.gallery.changes.upsert import NewImage
    from crossgraph.words import is_blank

    if not files:
        raise _named_alone("add", gallery)
    if id is not None and len(files) != 1:
        raise ConfigError(f"--id names one picture, got {len(files)} files.")
    texts, words = (tuple(text for text in given or () if not is_blank(text)) for given in (captions, labels))
    report = verbs.open_gallery(gallery, model=model, device=device).upsert(
        [NewImage(file, texts, words, id) for file in files]
    )
    if as_json:
        kept = {"added": report.added, "updated": report.updated, "unchanged": report.unchanged}
        skipped = [one.to_json() for one in report.skipped]
        print_json({"gallery": str(gallery), **kept, "skipped": skipped, "version": report.version})
    else:
        typer.echo(
            f"{gallery}: {report.added:,} added, {report.updated:,} updated, {report.unchanged:,} unchanged, "
            f"{len(report.skipped):,} skipped"
        )
        print_skipped(report.skipped)
    if report.skipped:
        raise typer.Exit(1)


@gallery_commands.command()
def remove(
    gallery: NamedGallery,
    items: Annotated[list[str] | None, typer.Argument(help="Ids or paths of pictures.")] = None,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """Take pictures out of the gallery; their files stay, and a sync leaves them out.

    With --where, of those that are named only those that fit, and where none is named all that fit. Their notes apply
    again when they are added again.
    """
    import numpy as np
    import pyarrow as pa

    from crossgraph.cli.output import print_json, shown
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.gallery.search.filters import rows_where
    from crossgraph.gallery.tables.item_names import NamedRow, find_items, find_rows
    from crossgraph.gallery.tables.lookups import items_by_name

    opened = Gallery.open(gallery)
    names, unfit = list(items or ()), list[str]()
    if where is not None:
        snapshot = opened.snapshot()
        fitting = rows_where(snapshot, where)
        if names:
            fits = np.isin(find_rows(snapshot, names), fitting).tolist()
            unfit = [name for name, one in zip(names, fits, strict=True) if not one]
            names = [name for name, one in zip(names, fits, strict=True) if one]
        else:
            names = snapshot.items["id"].take(pa.array(fitting)).to_pylist()
    elif not names:
        raise GalleryError("name the pictures to remove, by id or path, or by --where.")
    for name in unfit:
        typer.echo(f"note: {shown(name)} does not fit --where, and stays", err=True)
    called = items_by_name(opened.store, names)
    others = [name for name in names if name not in called]  # the whole gallery is read for these alone
    for found in find_items(opened.snapshot(), others) if others else ():
        if isinstance(found, NamedRow) and found.guess:
            typer.echo(f"note: {found.guess}", err=True)
    removed = opened.remove(names)
    if as_json:
        gone = [{"id": item.id, "path": str(item.path)} for item in removed]
        print_json({"gallery": str(gallery), "removed": gone, "unfit": unfit, "version": opened.version()})
    else:
        typer.echo(f"{gallery}: {len(removed):,} removed")


@gallery_commands.command()
def annotate(
    gallery: NamedGallery,
    file: Annotated[
        Path | None, typer.Argument(help="A .csv or .jsonl file: one row a picture, with its id or path.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set columns of your own, for --where and exports; an empty cell or null takes a value away.

    Rows that cannot be understood, or name no picture, are listed and left out; the exit code is then 1.
    """
    from crossgraph.cli.output import print_json, shown
    from crossgraph.gallery.changes.annotations import matched, read_annotations
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.gallery.search.filters import column_kinds, said_of_strays

    if file is None:
        raise _named_alone("annotate", gallery)
    opened = Gallery.open(gallery)
    read = read_annotations(file)
    found = matched(read, opened.snapshot())
    count = opened.annotate(found.values)
    bad = sorted((*read.bad, *found.bad), key=lambda row: row.line)
    kinds = column_kinds(opened.snapshot())
    own = {name: kinds[name] for name in opened.snapshot().notes.column_names}
    named = sorted({name for columns in found.values.values() for name in columns if own.get(name) == "text"})
    told_of = [said for name in named if (said := said_of_strays(opened.snapshot(), name, few=True))]
    if as_json:
        left_out = [asdict(row) for row in bad]
        told = {
            "annotated": count,
            "columns": own,
            "left_out": left_out,
            "notes": [*read.notes, *found.guesses, *told_of],
            "version": opened.version(),
        }
        print_json({"gallery": str(gallery), **told})
    else:
        listed = ", ".join(f"{name} ({kind})" for name, kind in own.items())
        typer.echo(f"{gallery}: {count:,} pictures annotated; columns: {listed or 'none'}")
        for note in (*read.notes, *found.guesses):
            typer.echo(f"note: {file}, {note}", err=True)
        for said in told_of:
            typer.echo(f"note: {shown(said)}", err=True)
        if bad:
            typer.echo(f"{len(bad):,} of {len(bad) + len(read.rows) - len(found.bad):,} rows were left out:", err=True)
        for row in bad:
            typer.echo(f"  {file}, line {row.line}: {row.reason}", err=True)
    if bad:
        raise typer.Exit(1)


def _named_alone(verb: str, name: str) -> ConfigError:
    """The error that a gallery or a file was named where both are needed."""
    return ConfigError(
        f"name the gallery and then the file: crossgraph gallery {verb} GALLERY FILE. Your own gallery: "
        f"`crossgraph gallery {verb} {home_gallery()} {name}`"
    )


def _count(number: int | None) -> str:
    return "an unknown number" if number is None else f"{number:,}"


def _when(at: object, saved: int | None) -> str:
    if at is None:
        return "never"
    return f"{at:%Y-%m-%d %H:%M} UTC" + (f", saved {saved:,} bytes" if saved and saved > 0 else "")
