"""How wide the inputs of trainable encoders are."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class TextWidths(Protocol):
    """What captions come as: ids below `vocabulary`, or frozen states of `state_width` channels; the other is 0."""

    @property
    def vocabulary(self) -> int: ...

    @property
    def state_width(self) -> int: ...


@runtime_checkable
class ItemWidths(TextWidths, Protocol):
    """How wide a picture's parts and whole are, what captions come as, and the classifier that names parts, if any: the
    encoder it came with, how many classes it knows, and how wide the text vectors of their names are."""

    @property
    def part_width(self) -> int: ...

    @property
    def whole_width(self) -> int: ...

    @property
    def classifier(self) -> str: ...

    @property
    def classes(self) -> int: ...

    @property
    def class_width(self) -> int: ...
