"""Where a user's gallery lies if no other is named: $CROSSGRAPH_GALLERY, else ~/.local/share/crossgraph/gallery."""

from __future__ import annotations

import os
from pathlib import Path

from crossgraph.errors import GalleryError

GALLERY_VARIABLE = "CROSSGRAPH_GALLERY"
"""The variable of the environment that names the folder of the user's gallery."""


def home_gallery() -> Path:
    """The folder of this user's gallery, whether it is there or not."""
    named = os.environ.get(GALLERY_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".local" / "share" / "crossgraph" / "gallery"


def no_gallery(folder: Path, reason: str) -> GalleryError:
    """The error that `folder` is no gallery for this `reason`, with the command that makes one."""
    if folder == home_gallery():
        return GalleryError(
            f"there is no gallery at {folder} yet. Make one with `crossgraph index FOLDER`, which takes a folder of "
            "pictures; or name another one with --gallery."
        )
    if folder.is_dir() and any(folder.iterdir()):
        return GalleryError(
            f"{folder} is not a gallery: {reason}. If it is a folder of pictures, put them into your own gallery with "
            f"`crossgraph index {folder}`, or into another one with `crossgraph index {folder} --gallery NEW`."
        )
    return GalleryError(
        f"{folder} is not a gallery: {reason}. Make it with `crossgraph index FOLDER --gallery {folder}`."
    )
