"""What is said on stderr of a search beside what the model made of its query: files, filters that keep nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from crossgraph.data import tars
from crossgraph.data.file_kinds import IMAGE_ENDINGS, ending_of
from crossgraph.data.places import is_far, is_gone
from crossgraph.gallery.home import home_gallery
from crossgraph.gallery.search.results import SearchResults


@dataclass(frozen=True)
class SearchNotes:
    """The notes on searches of one `gallery` by one filter `where`; `count` says how many of a target it holds."""

    gallery: str
    where: str | None
    count: Callable[[str], int]

    def __call__(self, found: SearchResults) -> Iterator[str]:
        """The notes on one answer."""
        if found.kind == "text" and _is_picture(found.query):
            file = shlex.quote(found.query)
            yield f"{found.query} is searched for as a sentence; to search by the file of that name: --image {file}"
        if self.where is not None and not found.searched:
            what = "pictures" if found.target == "images" else "captions"
            yield (
                f"this test leaves nothing: {self.where}; without --where, {self.count(found.target):,} {what} are "
                "searched"
            )
        files = dict.fromkeys(str(one.path) for one in found.results)
        gone = sum(_is_gone(file) for file in files)
        if gone:
            place = "" if self.gallery == str(home_gallery()) else f" {shlex.quote(self.gallery)}"
            yield (
                f"{gone:,} of the {len(files):,} files found {'is' if gone == 1 else 'are'} no longer there; "
                f"`crossgraph sync{place}` removes what is gone, or says what to do where a folder was moved"
            )


def _is_picture(sentence: str) -> bool:
    """Whether a sentence is the path of a picture file."""
    try:
        return ending_of(sentence) in IMAGE_ENDINGS and Path(sentence).is_file()
    except (OSError, ValueError):
        return False


def _is_gone(file: str) -> bool:
    """Whether nothing is at a path; object stores are not asked, nor tar files that are there read."""
    return not is_far(file) and tars.split(file) is None and is_gone(file)
