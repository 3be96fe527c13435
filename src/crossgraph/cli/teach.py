"""`crossgraph teach`: other languages for a trained run or a cascade, into a copy of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.options import AsJson, Data, Device, at_home


def teach(
    model: Annotated[Path, typer.Argument(help="A trained run or a cascade; it stays as it is.")],
    captions: Annotated[
        Path,
        typer.Option(
            "--captions", help='JSON Lines with captions by ISO code: {"image": "a.jpg", "de": ["Ein Hund."], ...}.'
        ),
    ],
    data: Data,
    out: Annotated[Path, typer.Option("--out", callback=at_home, help="The new folder of the copy.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="One setting of teaching: epochs=5. Repeatable.")
    ] = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Teach a model sentences in other languages; what it answers to English stays the same to the bit.

    A small student learns from captions in those languages to give what MiniLM gives for English. Stopped, it leaves
    nothing: the same command begins again.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import print_json, print_rich
    from crossgraph.config import merged, parse_change, validated
    from crossgraph.progress_bars import choose_progress
    from crossgraph.training.teaching import TeachingConfig

    asked: dict[str, object] = {}
    for change in changes or ():
        asked = merged(asked, parse_change(change))
    settings = validated(TeachingConfig, asked)
    recalls = verbs.teach(model, data, captions, out, settings=settings, progress=choose_progress(), device=device)
    if as_json:
        print_json({"model": str(out), "recall_at_10": recalls})
        return
    english = recalls["en"]
    for language, recall in recalls.items():
        share = f", {recall / english:.0%} of English's" if language != "en" and english else ""
        print_rich(f"{language}: {recall:.1f} of 100 captions find their picture among the first 10{share}")
    print_rich(f"{out} reads {', '.join(recalls)}")
