"""Every error that a user can cause, as one tree.

CrossgraphError
├── ConfigError        a setting is unknown, mistyped or out of range
├── DataError          a corpus cannot be read, or says something impossible
│   └── ImageError     one picture cannot be decoded (carries its path and the reason)
├── FeatureError       cached features are missing, damaged or of another encoder
├── ModelError         a trained run cannot be loaded, or does not fit what it is asked
│   └── UnreadableError  no picture that was to be encoded can be read (carries the reasons)
├── ScoreError         scores that cannot be ranked (not finite, wrong shape)
├── GalleryError       a gallery cannot be opened, written or queried
├── ClusterError       a cluster cannot be reached, is too small, or was lost
├── WorkerError        a process that works on something with others was lost
└── MissingExtraError  an optional package is not installed (names the extra to install)

A message says what was wrong, what was got, and what to do. The command line prints it and exits with 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path


class CrossgraphError(Exception):
    """Root of all errors a user can cause."""


class ConfigError(CrossgraphError):
    """A setting is unknown, mistyped or out of range."""


class DataError(CrossgraphError):
    """A corpus cannot be read, or says something impossible."""


class ImageError(DataError):
    """One picture cannot be decoded; `path` and `reason` say which and why."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason


class FeatureError(CrossgraphError):
    """Cached features are missing, damaged or of another encoder."""


class ModelError(CrossgraphError):
    """A trained run cannot be loaded, or does not fit what it is asked."""


class UnreadableError(ModelError):
    """None of the pictures that were to be encoded can be read; `reasons` say of each why not."""

    def __init__(self, reasons: Mapping[Path, str]) -> None:
        super().__init__("there is no picture to encode; every file was unreadable, or the list was empty.")
        self.reasons = dict(reasons)


class ScoreError(CrossgraphError):
    """Scores that cannot be ranked: not finite, or of the wrong shape."""


class GalleryError(CrossgraphError):
    """A gallery cannot be opened, written or queried."""


class ClusterError(CrossgraphError):
    """A cluster cannot be reached, is too small, or was lost."""


class WorkerError(CrossgraphError):
    """A process that works on something together with others was lost, or said nothing for too long."""


class MissingExtraError(CrossgraphError):
    """An optional package is not installed."""


def unknown_name(kind: str, got: str, known: Iterable[str]) -> str:
    """The message for an unknown name: what was got, the nearest known name if one is near, and all known names."""
    names = sorted(known)
    section = got[: got.rfind(".") + 1]
    if not all(name.startswith(section) for name in names):
        section = ""
    own = [name.removeprefix(section) for name in names]  # a section that all are in makes none of them nearer
    near = difflib.get_close_matches(got.removeprefix(section), own, n=1, cutoff=0.6)
    hint = f" Did you mean {section + near[0]!r}?" if near else ""
    return f"unknown {kind} {got!r}.{hint} Known: {', '.join(names)}."
