"""Where a user's gallery lies if no other is named: $CROSSGRAPH_GALLERY, else ~/.local/share/crossgraph/gallery."""

from __future__ import annotations

import os
from pathlib import Path

from crossgraph.errors import GalleryError
from crossgraph.storage.address import folder_or_address, is_address

GALLERY_VARIABLE = "CROSSGRAPH_GALLERY"
"""The variable of the environment that names the folder of the user's gallery."""


def home_gallery() -> Path | str:
    """Where this user's gallery lies, whether it is there or not: a folder, or an address as s3://BUCKET/NAME."""
    named = os.environ.get(GALLERY_VARIABLE)
    if not named:
        return Path.home() / ".local" / "share" / "crossgraph" / "gallery"
    return folder_or_address(named)


def no_gallery(place: Path | str, reason: str) -> GalleryError:
    """The error that no gallery lies in `place` for this `reason`, with the command that makes one."""
    if str(place) == str(home_gallery()):
        return GalleryError(
            f"there is no gallery at {place} yet. Make one with `crossgraph index FOLDER`, which takes a folder of "
            "pictures; or name another one with --gallery."
        )
    if not is_address(place) and not os.path.lexists(place):
        return GalleryError(
            f"there is nothing at {place}. Make a gallery there with `crossgraph index FOLDER --gallery {place}`, or "
            f"name another one; your own is {home_gallery()}."
        )
    if not is_address(place) and Path(place).is_dir() and any(Path(place).iterdir()):
        return GalleryError(
            f"{place} is not a gallery: {reason}. If it is a folder of pictures, put them into your own gallery with "
            f"`crossgraph index {place}`, or into another one with `crossgraph index {place} --gallery NEW`."
        )
    return GalleryError(
        f"{place} is not a gallery: {reason}. Make it with `crossgraph index FOLDER --gallery {place}`."
    )
