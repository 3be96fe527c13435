"""A trained run or a cascade again, in another folder, with the languages it was taught.

COPY/languages/     what `encoders.polyglot` reads, once for all runs of the copy
COPY/...            what encodes: manifests and weights; each manifest names the languages as seen from its run
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from crossgraph.encoders.catalogue import build_text_encoder
from crossgraph.encoders.polyglot import write_polyglot
from crossgraph.training.checkpoint import MANIFEST, WEIGHTS, read_manifest, write_manifest
from crossgraph.training.places import LANGUAGES, located_texts, places_seen_from
from crossgraph.training.teaching import Taught


def write_taught_copy(source: Path, to: Path, taught: Taught) -> None:
    """Copy every run under the folder `source` into the new folder `to`, where each reads the languages of `taught`."""
    languages = to / LANGUAGES
    write_polyglot(languages, taught.config, taught.cutter, taught.weights, taught.guess)
    described: dict[str, Any] | None = None
    for file in sorted(source.rglob(MANIFEST)):
        run, copy = file.parent, to / file.parent.relative_to(source)
        copy.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / WEIGHTS, copy / WEIGHTS)
        manifest = read_manifest(run)
        texts = located_texts(run, manifest)
        kept: dict[str, Any] = {key: texts[key] for key in ("name", "max_words") if key in texts}
        if described is None:
            described = build_text_encoder({"kind": "polyglot", **kept, "folder": languages}).describe()
        seen = {**described, "name": manifest.text_encoder["name"], "folder": os.path.relpath(languages, copy)}
        write_manifest(
            copy,
            manifest.model_copy(update={"text_encoder": seen, "places": places_seen_from(copy, run, manifest)}),
        )
