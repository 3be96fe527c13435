"""Encoders shared by models: each is loaded once, however many models and threads ask for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from crossgraph.encoders.image import ImageEncoder
from crossgraph.encoders.text import TextEncoder
from crossgraph.graphs.caption_parser import CaptionParser

Loaded = TypeVar("Loaded")


class EncoderPool:
    """Encoders and parsers that are loaded already, by fingerprint; models with one pool share them.

    All models of a pool are on one device. Of models that ask for the same encoder at once, one loads it and the
    others wait. What cannot be loaded is tried again by the next one who asks.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._loaded: dict[tuple[str, str, str | None], Any] = {}

    def image_encoder(self, fingerprint: str, *, regions: str | None, load: Callable[[], ImageEncoder]) -> ImageEncoder:
        """The picture encoder of this fingerprint, with regions of this hash, loaded by `load` if nobody has yet."""
        return self._get(("image", fingerprint, regions), load)

    def text_encoder(self, fingerprint: str, *, load: Callable[[], TextEncoder]) -> TextEncoder:
        """The sentence encoder of this fingerprint, loaded by `load` if nobody has yet."""
        return self._get(("text", fingerprint, None), load)

    def parser(self, *, load: Callable[[], CaptionParser] = CaptionParser) -> CaptionParser:
        """The caption parser."""
        return self._get(("parser", "", None), load)

    def _get(self, key: tuple[str, str, str | None], load: Callable[[], Loaded]) -> Loaded:
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = load()
            found: Loaded = self._loaded[key]
            return found
