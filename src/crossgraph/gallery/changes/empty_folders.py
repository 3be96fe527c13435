"""Folders that are there and empty, as where a disk is not connected: what was in them is not gone for certain."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from crossgraph.data.corpus import Skipped


def in_empty_folders(paths: Iterable[str], roots: Sequence[Path]) -> dict[str, str]:
    """Of the files that are gone, those whose innermost folder still there is empty, and not a root: path -> folder."""
    found: dict[str, str] = {}
    tops = {os.path.abspath(root) for root in roots}
    empty: dict[str, bool] = {}
    for path in paths:
        folder = os.path.dirname(path)
        while folder not in tops and not os.path.isdir(folder) and folder != os.path.dirname(folder):
            folder = os.path.dirname(folder)
        if folder not in tops and empty.setdefault(folder, _is_empty(folder)):
            found[path] = folder
    return found


def _is_empty(folder: str) -> bool:
    try:
        return not os.listdir(folder)
    except OSError:
        return False


def told_of_empty(folders: Iterable[str]) -> list[Skipped]:
    """What to say of each of these folders; one occurs as often as it holds a picture that stays."""
    return [
        Skipped(
            Path(folder),
            f"it is empty; its {count:,} pictures stay in the gallery. If its disk is not connected, connect it. If "
            "they are really gone, sync with --allow-empty",
        )
        for folder, count in Counter(folders).items()
    ]
