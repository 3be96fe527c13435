"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Data: TypeAlias = Annotated[
    str, typer.Option("--data", help="A folder, a caption file, or scenes[:COUNT[:SEED]] to have pictures drawn.")
]
Device: TypeAlias = Annotated[str, typer.Option("--device", help="Where to compute: cpu, cuda, mps.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Run: TypeAlias = Annotated[Path, typer.Option("--model", help="A trained run: the folder that train --out wrote.")]
OtherRun: TypeAlias = Annotated[
    Path | None, typer.Option("--model", help="The trained run; needed for a new gallery, or when the run has moved.")
]
Where: TypeAlias = Annotated[
    str | None,
    typer.Option("--where", help="Only pictures that fit, as in \"date > '2024-01-01' and label = 'Airport'\"."),
]
GalleryFolder: TypeAlias = Annotated[Path, typer.Option("--gallery", help="The gallery's folder.")]
