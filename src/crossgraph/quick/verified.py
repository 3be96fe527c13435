"""Which files were found to be those that a model was made with, so that a search need not read them all again.

A model that is loaded whole checks the fingerprints of its weights and of MiniLM's, which takes longer than a search.
What it found is noted in this user's cache with size and time of every file: while they stay, so does the content, as
far as anybody can tell without reading.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from crossgraph.data.feature_cache import cache_root
from crossgraph.files import write_atomically

FILE = "verified.json"


def is_verified(fingerprint: str, files: Sequence[Path]) -> bool:
    """Whether these very files were noted for the model of this fingerprint."""
    states = _states(files)
    return bool(states) and _noted().get(fingerprint) == states


def note_verified(fingerprint: str, files: Sequence[Path]) -> None:
    """Note the files of a model that was loaded and checked; where the cache cannot be written, nothing is noted."""
    noted = _noted() | {fingerprint: _states(files)}
    try:
        cache_root().mkdir(parents=True, exist_ok=True)
        write_atomically(cache_root() / FILE, json.dumps(noted).encode())
    except OSError:
        return


def _noted() -> dict[str, object]:
    try:
        found = json.loads((cache_root() / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _states(files: Sequence[Path]) -> list[list[object]]:
    """Place, size and time of each; none where one cannot be asked."""
    states = []
    for file in files:
        try:
            state = file.stat()
        except OSError:
            return []
        states.append([str(file.resolve()), state.st_size, state.st_mtime_ns])
    return states
