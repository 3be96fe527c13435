"""`crossgraph gallery shard` and `gallery recall`: searching a gallery that is larger than the memory."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from crossgraph.cli.options import AsJson, ClusterAddress, GalleryArgument


def shard(
    gallery: GalleryArgument,
    lists: Annotated[
        int | None,
        typer.Option("--lists", min=1, help="Lists of every shard; by default the square root of its rows."),
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=256, help="Rows of one shard at most, but whole files of the tables.")
    ] = 1_000_000,
    anew: Annotated[bool, typer.Option("--anew", help="All rows, not only those that are in no shard yet.")] = False,
    cluster: ClusterAddress = None,
    as_json: AsJson = False,
) -> None:
    """Put vectors and codes into shards on disk, so that a gallery larger than the memory can be searched.

    What is added later is compared one by one, beside the shards, until this is run again, or `gallery optimize`. With
    `--cluster` each worker builds whole shards. Files of the tables are never parted, so one may have more rows.
    """
    from crossgraph.cli.output import print_json
    from crossgraph.distributed.given import on_cluster
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.gallery.upkeep import shards
    from crossgraph.progress_bars import choose_progress

    opened, progress = Gallery.open(gallery), choose_progress()
    with on_cluster(cluster, progress=progress) as workers:
        each = map if workers is None else workers.each
        done = shards.shard(opened, lists=lists, rows=rows, anew=anew, each=each, progress=progress)
    if as_json:
        print_json({"gallery": str(gallery), "columns": [asdict(one) for one in done]})
        return
    for one in done:
        shards_in = f"{one.shards:,} shard{'s' if one.shards > 1 else ''} of {one.lists:,} lists"
        typer.echo(
            f"{one.table}, {one.column}: {one.inside:,} of {one.rows:,} rows in {shards_in}, {one.seconds:.1f} s"
        )
    if not done:
        typer.echo(f"{gallery}: no table is large enough for shards; all of it is compared in every search")


def recall(
    gallery: GalleryArgument,
    queries: Annotated[int, typer.Option("--queries", min=1, help="How many captions (or pictures) are asked.")] = 100,
    probes: Annotated[
        list[int] | None, typer.Option("--probe", min=1, help="How many lists are looked into; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Chooses the queries.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print how much of a full search is found when only some lists of every shard are looked into."""
    from crossgraph.cli.output import print_json
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.gallery.upkeep.shards import PROBES, shard_recall

    found = shard_recall(Gallery.open(gallery, memory="disk"), queries=queries, probes=probes or PROBES, seed=seed)
    if as_json:
        print_json({"gallery": str(gallery), "queries": queries, "recall": [asdict(one) for one in found]})
        return
    typer.echo("stage      lists probed   of the best 10   of the best 100   median ms")
    for one in found:
        probed = f"{one.probes:,} of {one.lists:,}"
        typer.echo(f"{one.stage:<10} {probed:>12} {one.recall_10:>16.1%} {one.recall_100:>17.1%} {one.ms:>11.1f}")
