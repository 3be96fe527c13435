"""`crossgraph sync`: a gallery follows its folders."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossgraph.cli.options import (
    AsJson,
    ClusterAddress,
    Device,
    Exclude,
    GalleryArgument,
    MaxPixels,
    OtherRun,
    all_named,
    limit_pixels,
)
from crossgraph.errors import ConfigError, CrossgraphError
from crossgraph.gallery.home import home_gallery
from crossgraph.storage.address import is_address

LONGEST = 366 * 24 * 3600  # seconds between two looks

if TYPE_CHECKING:
    from crossgraph.gallery.changes.sync import SyncReport


def sync(
    gallery: GalleryArgument,
    folders: Annotated[
        list[str] | None,
        typer.Argument(callback=all_named, help="Folders or caption files; none: all that were given before."),
    ] = None,
    model: OtherRun = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; write nothing.")] = False,
    rehash: Annotated[bool, typer.Option("--rehash", help="Read every file, whatever its size and time say.")] = False,
    allow_empty: Annotated[
        bool,
        typer.Option(
            "--allow-empty",
            help="Remove a folder's pictures also when none is left in it, or the folder named is gone.",
        ),
    ] = False,
    forget: Annotated[
        str | None, typer.Option("--forget", help="Look at this folder no longer, keep its pictures, and stop.")
    ] = None,
    watch: Annotated[float | None, typer.Option("--watch", help="Go on, every so many seconds, until Ctrl-C.")] = None,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    cluster: ClusterAddress = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Add new pictures, encode changed ones again, follow moved ones, drop those whose file is gone.

    A second run, also after a kill, does only what is left. Several folders may share one gallery, which remembers
    them, and what to --exclude (an empty pattern ends that); a picture excluded only now stays. A folder that was moved
    or renamed is recognised when its new place is given. Skipped files are listed, and again by
    `crossgraph gallery stats --skipped`.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, shown, shown_lines
    from crossgraph.data.inventory import holds_images
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.progress import Silent
    from crossgraph.progress_bars import choose_progress

    if forget is not None:
        beside = {
            "FOLDERS": folders,
            "--model": model is not None,
            "--rehash": rehash,
            "--allow-empty": allow_empty,
            "--watch": watch is not None,
            "--exclude": exclude,
            "--max-pixels": max_pixels is not None,
            "--cluster": cluster is not None,
        }
        if given := [name for name, value in beside.items() if value]:
            raise ConfigError(f"--forget only forgets a folder, and goes without {' and '.join(given)}.")
        Gallery.open(gallery).forget(forget, dry_run=dry_run)
        if as_json:
            print_json({"gallery": str(gallery), "dry_run": dry_run, "forgotten": forget})
        else:
            looks = "would look" if dry_run else "looks"
            typer.echo(f"{gallery} {looks} at {shown(forget)} no longer; its pictures {'would ' * dry_run}stay.")
        return
    if cluster is not None and (dry_run or watch is not None):
        raise ConfigError("--cluster goes without --dry-run and --watch.")
    if watch is not None and (as_json or dry_run or not 0 < watch <= LONGEST):
        raise ConfigError(
            "--watch takes a number of seconds above 0, at most a year's, and goes without --json and --dry-run."
        )
    if folders and not is_address(gallery) and not Gallery.exists(gallery) and holds_images(Path(gallery)):
        raise ConfigError(
            f"{gallery} is a folder of pictures, and the gallery is named first: crossgraph sync GALLERY {gallery} "
            f"{' '.join(folders)}. Your own gallery is {home_gallery()}."
        )
    limit_pixels(max_pixels)
    progress = choose_progress()
    loaded = None if model is None else verbs.load_search_model(model, device=device)
    report = verbs.sync(
        gallery,
        folders or (),
        model=loaded,
        dry_run=dry_run,
        rehash=rehash,
        allow_empty=allow_empty,
        exclude=exclude,
        cluster=cluster,
        progress=progress,
        device=device,
    )
    _print(report, gallery, dry_run=dry_run, as_json=as_json)
    if watch is None:
        return
    opened, last = verbs.open_gallery(gallery, model=loaded, device=device), ""
    while True:
        time.sleep(watch)
        try:
            report = opened.sync(folders or (), rehash=rehash, allow_empty=allow_empty, progress=Silent())
            last = ""
        except CrossgraphError as error:  # a disk that is away comes back; say it once
            if str(error) != last:
                typer.echo(f"error: {shown_lines(error)}", err=True)
            last = str(error)
            continue
        if report.changes:
            _print(report, gallery, dry_run=False, as_json=False)


def _print(report: SyncReport, gallery: str, *, dry_run: bool, as_json: bool) -> None:
    from crossgraph.cli.output import files_in_sum, left_out_to_json, print_json, print_left_out, shown

    if as_json:
        changes = [
            {
                "kind": change.kind,
                "path": str(change.path),
                "before": None if change.before is None else str(change.before),
                "differs": change.differs,
            }
            for change in report.changes
        ]
        print_json(
            {
                "gallery": str(gallery),
                "dry_run": dry_run,
                "read": report.read,
                **asdict(report),
                **left_out_to_json(report),
                "changes": changes,
            }
        )
        return
    would = "would be " if dry_run else ""
    for change in report.changes if dry_run else ():
        before = "" if change.before is None else f"{shown(change.before)} -> "
        differs = f"  ({', '.join(change.differs)})" if change.differs else ""
        typer.echo(f"{change.kind:6}  {before}{shown(change.path)}{differs}")
    typer.echo(
        f"{gallery}: {would}{report.added:,} added, {report.updated:,} updated, {report.moved:,} moved, "
        f"{report.removed:,} removed, {report.unchanged:,} unchanged, {len(report.skipped):,} skipped, "
        f"in {report.seconds:.1f} s"
    )
    typer.echo(files_in_sum(report.read, report.skipped, report.files))
    for moved in report.moved_folders:
        typer.echo(f"  {shown(moved.before)} -> {shown(moved.now)}")
        if moved.left:
            typer.echo(
                f"  {moved.left:,} pictures of {moved.before} are not in {moved.now} and stay; to remove them: "
                f"crossgraph sync {gallery} {moved.before} --allow-empty",
                err=True,
            )
    print_left_out(report, dry_run=dry_run)
