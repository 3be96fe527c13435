"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Data: TypeAlias = Annotated[
    str,
    typer.Option(
        "--data",
        help="A folder, a caption file, a file of features, LAYOUT:PATH[?OPTION=VALUE&...], or a drawn corpus: "
        "scenes[:COUNT[:SEED]], matrices-demo[:SEED].",
    ),
]
Device: TypeAlias = Annotated[str, typer.Option("--device", help="Where to compute: cpu, cuda, mps.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Run: TypeAlias = Annotated[Path, typer.Option("--model", help="A trained run: the folder that train --out wrote.")]
RunOrCascade: TypeAlias = Annotated[
    Path, typer.Option("--model", help="A trained run, or a cascade: the folder that cascade build --out wrote.")
]
OtherRun: TypeAlias = Annotated[
    Path | None,
    typer.Option("--model", help="The trained run or cascade; needed for a new gallery, or when the run has moved."),
]
Where: TypeAlias = Annotated[
    str | None,
    typer.Option("--where", help="Only pictures that fit, as in \"date > '2024-01-01' and label = 'Airport'\"."),
]
GalleryFolder: TypeAlias = Annotated[Path, typer.Option("--gallery", help="The gallery's folder.")]
ProtocolName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--protocol", help="Judge by labels: train-database, unseen-database, hash-mir, ... (docs/evaluation.md)."
    ),
]
Variations: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--vary", help="With --protocol: one thing done otherwise: captions=joined. Repeatable."),
]
