"""`crossgraph index`: a folder's pictures into a gallery."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossgraph.cli.options import (
    AsJson,
    ClusterAddress,
    Device,
    Exclude,
    GalleryFolder,
    MaxPixels,
    OtherRun,
    limit_pixels,
    named,
)
from crossgraph.gallery.home import home_gallery

if TYPE_CHECKING:
    from crossgraph.data.corpus import Corpus


def index(
    folder: Annotated[
        str,
        typer.Argument(
            callback=named,
            help="The pictures: a folder, a caption file, s3://BUCKET/PREFIX, or scenes[:COUNT[:SEED]].",
        ),
    ],
    gallery: GalleryFolder,
    model: OtherRun = None,
    split: Annotated[str | None, typer.Option("--split", help="Only the pictures of one split.")] = None,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    cluster: ClusterAddress = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Make pictures searchable; a second run adds what is new or changed. Skipped files are listed at the end.

    Nothing is removed; `crossgraph sync` also follows files that moved or went.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import files_in_sum, left_out_to_json, print_json, print_left_out, print_rich
    from crossgraph.data.places import placed
    from crossgraph.data.sources import open_corpus
    from crossgraph.progress_bars import choose_progress

    limit_pixels(max_pixels)
    progress = choose_progress()
    loaded = None if model is None else verbs.load_search_model(model, device=device)
    scenes = folder.split(":")[0] == "scenes"
    source: Corpus | Path = (
        open_corpus(folder, split=split, exclude=exclude or (), progress=progress)
        if scenes or split is not None
        else placed(folder)
    )
    report = verbs.index(
        source, gallery, model=loaded, exclude=exclude, cluster=cluster, progress=progress, device=device
    )
    if as_json:
        kept = {name: value for name, value in asdict(report).items() if name != "changes"}
        print_json({"gallery": str(gallery), "read": report.read, **kept, **left_out_to_json(report)})
        return
    print_rich(
        f"{gallery}: {report.added:,} added, {report.updated:,} updated, {report.unchanged:,} unchanged, "
        f"{len(report.skipped):,} skipped, in {report.seconds:.1f} s"
    )
    print_rich(files_in_sum(report.read, report.skipped, report.files))
    print_left_out(report)
    if gallery == str(home_gallery()):
        typer.echo('search it with: crossgraph search "two dogs on a beach"', err=True)
