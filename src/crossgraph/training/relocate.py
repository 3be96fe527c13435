"""Tell a run where its encoders are, after their folders were moved or renamed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossgraph.training.checkpoint import HINTS, MANIFEST, RunManifest, read_manifest, write_manifest
from crossgraph.training.places import place


def relocate_run(run: Path, moves: Mapping[Path, Path]) -> tuple[Path, ...]:
    """The manifests that named something under an old folder of `moves` and now name it under the new one.

    `run` is a run or a cascade; the shortlist and the parts in it are told too. Weights stay as they are, and with
    them every fingerprint. The longest old folder that fits counts. Raises `ModelError` for a manifest that is none.
    """
    changed = []
    for file in sorted(run.rglob(MANIFEST)):
        tree = read_manifest(file.parent).model_dump()
        if _relocated(tree, file.parent, moves):
            write_manifest(file.parent, RunManifest.model_validate(tree))
            changed.append(file)
    return tuple(changed)


def _relocated(tree: dict[str, Any], run: Path, moves: Mapping[Path, Path]) -> bool:
    """Rewrite the places and hints of a manifest's `tree`; whether any was concerned."""
    concerned = False
    for what, known in tree["places"].items():
        if (new := _moved(known["path"], moves)) is not None:
            tree["places"][what] = place(run, new)
            concerned = True
    for *sections, name in HINTS:
        section: Any = tree
        for part in sections:
            section = section[part]
        value = section.get(name)
        if value is None:
            continue
        several = [value] if isinstance(value, str) else list(value)
        moved = [_moved(one, moves) for one in several]
        if any(new is not None for new in moved):
            told = [one if new is None else str(new) for one, new in zip(several, moved, strict=True)]
            section[name] = told[0] if isinstance(value, str) else told
            concerned = True
    return concerned


def _moved(path: str, moves: Mapping[Path, Path]) -> Path | None:
    """Where `path` is after the moves; None for what is no whole path or stayed."""
    if not Path(path).is_absolute():
        return None
    for old, new in sorted(moves.items(), key=lambda move: -len(move[0].parts)):
        for start in (Path(os.path.abspath(old.expanduser())), old.expanduser().resolve()):
            if Path(path).is_relative_to(start):
                return new.expanduser().resolve() / Path(path).relative_to(start)
    return None
