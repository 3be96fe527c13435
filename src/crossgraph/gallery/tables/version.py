"""What names a state of a gallery, so that a later reader can be asked for one at least as new."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crossgraph.errors import GalleryError

PATTERN = r"[0-9]{1,18}-[0-9]{1,18}-[0-9]{1,18}(-[0-9a-f]{1,64})?"
_SET = "tables-"


@dataclass(frozen=True)
class Version:
    """The versions of the tables of items, captions and notes, and the name of the set of `tables` that they are of.

    Written as 12-12-3, with the set after it where a gallery was given to another model: 4-4-3-0f2a6b1c9d8e.
    """

    numbers: tuple[int, ...]
    tables: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """The version that `text` says. Raises `GalleryError` if it is none."""
        if not re.fullmatch(PATTERN, text, re.ASCII):
            raise GalleryError(
                f"{text[:80]!r} is no version of a gallery. Give one as it was answered, such as 12-12-3."
            )
        *numbers, last = text.split("-")
        if len(numbers) == 3:
            return cls(tuple(map(int, numbers)), f"{_SET}{last}")
        return cls((*map(int, numbers), int(last)))

    def __str__(self) -> str:
        return "-".join([*map(str, self.numbers), *([self.tables.removeprefix(_SET)] if self.tables else [])])

    def includes(self, other: Version) -> bool:
        """Whether all that was written by `other` is there, this one having been looked up after that was answered.

        Of another set of tables it is: a set takes the place of one before it, with all that was written to that.
        """
        return self.tables != other.tables or all(
            mine >= theirs for mine, theirs in zip(self.numbers, other.numbers, strict=True)
        )
