"""Scene graphs of captions: parsed once, cached by caption and parser, and tied to the words a text encoder sees."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np

from crossgraph.data.feature_cache import Array, FeatureCache, RecordStore
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.graphs.scene_graph import Attribute, GraphObject, Relation, SceneGraph, Span
from crossgraph.progress import Progress, Silent
from crossgraph.words import WORD, normalise

__all__ = ["parse_captions", "words_of_span"]

BATCH = 256


def parse_captions(
    captions: Sequence[str], parser: CaptionParser, cache: FeatureCache, *, progress: Progress | None = None
) -> list[SceneGraph]:
    """The scene graph of each caption; its spans are of `normalise(caption)`, as `words_of_span` takes them.

    Equal captions are parsed once, and captions this parser has seen before are read from the cache. A run that was
    killed continues where the last complete shard ended. Raises `FeatureError` if the cache cannot be written.
    """
    sentences = [normalise(caption) for caption in captions]
    keys = {sentence: _key(sentence) for sentence in dict.fromkeys(sentences)}
    store = cache.records("caption-graphs", parser.fingerprint, view="text")
    missing = [sentence for sentence, key in keys.items() if key not in store]
    if missing:
        _parse(missing, parser, store, progress=progress or Silent())
    graphs = {sentence: _graph_of_record(store.read(key)) for sentence, key in keys.items()}
    return [graphs[sentence] for sentence in sentences]


def words_of_span(sentence: str, span: Span) -> tuple[int, ...]:
    """Which words of `tokenize(sentence)`, by position, lie in the characters `span` of `normalise(sentence)`.

    A word counts if any of it does: "man" in "the man's hat" covers the word "man's", and "t-shirt" two words. Empty
    for a span without words, such as one of punctuation.
    """
    start, end = span
    words = WORD.finditer(normalise(sentence))
    return tuple(position for position, word in enumerate(words) if max(start, word.start()) < min(end, word.end()))


def _parse(missing: Iterable[str], parser: CaptionParser, store: RecordStore, *, progress: Progress) -> None:
    sentences = list(missing)
    waiting = iter(sentences)
    try:
        with progress.task("parsing captions", len(sentences)) as task:
            while group := list(islice(waiting, BATCH)):
                for sentence, graph in zip(group, parser.parse_all(group), strict=True):
                    store.write(_key(sentence), _record_of(graph))
                task.advance(len(group))
    finally:
        store.flush()


def _key(sentence: str) -> str:
    return hashlib.sha256(sentence.encode("utf-8")).hexdigest()


def _record_of(graph: SceneGraph) -> dict[str, Array]:
    return {"graph": np.frombuffer(json.dumps(asdict(graph)).encode("utf-8"), np.uint8)}


def _graph_of_record(record: dict[str, Array]) -> SceneGraph:
    told = json.loads(record["graph"].tobytes())
    return SceneGraph(
        tuple(_object(one) for one in told["objects"]),
        tuple(Relation(one["subject"], one["predicate"], one["object"], _span(one)) for one in told["relations"]),
    )


def _object(told: dict[str, Any]) -> GraphObject:
    attributes = tuple(Attribute(one["name"], _span(one)) for one in told["attributes"])
    return GraphObject(told["name"], attributes, _span(told), count=told["count"])


def _span(told: dict[str, Any]) -> Span | None:
    return None if told["span"] is None else (told["span"][0], told["span"][1])
