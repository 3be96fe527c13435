"""`crossgraph data check`: what is in a corpus, and what is wrong with it."""

from __future__ import annotations

from typing import Annotated

import typer

from crossgraph.cli.options import AsJson


def check(
    data: Annotated[str, typer.Argument(help="A folder, a caption file, or scenes[:COUNT[:SEED]].")],
    as_json: AsJson = False,
) -> None:
    """Decode every picture once; list what cannot be read, counts, splits and duplicates."""
    from crossgraph.cli.output import facts_table, print_json, print_rich, print_skipped
    from crossgraph.data.check import check_corpus
    from crossgraph.progress import choose_progress

    report = check_corpus(data, progress=choose_progress())
    if as_json:
        print_json(report.to_json())
        return
    low, mean, high = report.captions_per_image
    splits = ", ".join(f"{name} {count:,}" for name, count in report.splits.items())
    table = facts_table(
        ("pictures", f"{report.images:,}"),
        ("splits", splits),
        ("captions", f"{report.captions:,} ({low} to {high} a picture, {mean:.1f} on average)"),
        ("repeated captions", f"{report.duplicate_captions:,}"),
        ("pictures without captions", f"{report.images_without_captions:,}"),
        ("labels", f"{len(report.labels):,}"),
        ("groups of equal files", f"{len(report.duplicate_images):,}"),
        ("unreadable files", f"{len(report.unreadable):,}"),
        title=report.name,
    )
    print_rich(table)
    for group in report.duplicate_images:
        print_rich(f"equal files: {', '.join(group)}")
    print_skipped(report.unreadable)
