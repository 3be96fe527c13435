"""Features of captions: computed once by a frozen encoder, cached, read back as padded batches with their scene graphs.

Captions are known by their text, so a repeated one costs nothing. A run that was killed continues where the last
complete shard ended.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from crossgraph.data.feature_cache import Array, FeatureCache, RecordStore
from crossgraph.data.features.padding import pad
from crossgraph.data.graphs.caption_graphs import parse_captions
from crossgraph.data.graphs.graph_batches import RememberedNodes, batch_nodes
from crossgraph.encoders.text import TextEncoder, TextFeatures
from crossgraph.errors import ConfigError
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.graphs.scene_graph import SceneGraph
from crossgraph.progress import Progress, Silent
from crossgraph.types import TextBatch, TextGraphs
from crossgraph.words import normalise

if TYPE_CHECKING:
    from crossgraph.encoders.tuned_text import TextBackbone

TEXT_BATCH = 64
FEW = 8  # captions that are a query rather than a corpus


@dataclass(frozen=True)
class TextTable:
    """Words of captions with their ids or states, and wholes; repeated captions share one record."""

    captions: tuple[str, ...]
    state_width: int
    read: Callable[[str], TextFeatures]
    graph: Callable[[str], SceneGraph] | None = None
    """Scene graphs of the captions, for methods that read them."""
    whole_width: int = 0
    """How wide the vector of a whole caption is; 0 where captions have none."""
    upper: TextBackbone | None = None
    """What makes states of words of what is read, where a run trains it: gradients reach it, and reading costs."""
    nodes: RememberedNodes = field(default_factory=RememberedNodes, repr=False, compare=False)
    """The nodes of captions that were asked for, which a training run asks for again in every epoch."""

    def __len__(self) -> int:
        return len(self.captions)

    def extended(self, other: TextTable) -> TextTable:
        """The captions of this table, then those of `other`, which must come from the same encoder."""
        theirs = frozenset(other.captions)

        def read(caption: str) -> TextFeatures:
            return other.read(caption) if caption in theirs else self.read(caption)

        def graph(caption: str) -> SceneGraph:
            source = other.graph if caption in theirs else self.graph
            assert source is not None
            return source(caption)

        captions = (*self.captions, *other.captions)
        return replace(self, captions=captions, read=read, graph=None if self.graph is None else graph)

    def rows(self, indices: Sequence[int]) -> TextBatch:
        """The captions at `indices`, which may repeat, padded to the longest; in single precision.

        They are on the device of `upper`, if there is one.
        """
        captions = [self.captions[index] for index in indices]
        texts = [self.read(caption) for caption in captions]
        words = tuple(text.words for text in texts)
        graphs = None
        if self.graph is not None:
            graphs = batch_nodes(
                [
                    self.nodes.of(caption, self.graph, length=len(said))
                    for caption, said in zip(captions, words, strict=True)
                ]
            )
        if self.upper is not None:
            return self._through_upper(texts, words, graphs)
        whole = None
        if self.whole_width:
            wholes = [text.whole[None] for text in texts if text.whole is not None]
            empty = np.zeros((0, self.whole_width), np.float16)
            whole = torch.from_numpy(np.concatenate(wholes or [empty])).float()
        if self.state_width:
            empty = np.zeros((0, self.state_width), np.float16)
            states, mask = pad([text.states for text in texts if text.states is not None], empty)
            return TextBatch(mask, words, states=states.float(), graphs=graphs, whole=whole)
        ids, mask = pad([text.ids for text in texts if text.ids is not None], np.zeros(0, np.int64))
        return TextBatch(mask, words, ids=ids, graphs=graphs, whole=whole)

    def _through_upper(
        self, texts: Sequence[TextFeatures], words: tuple[tuple[str, ...], ...], graphs: TextGraphs | None
    ) -> TextBatch:
        """What the layers in training make of the states below them."""
        assert self.upper is not None, "asked"
        device = self.upper.device
        empty = np.zeros((0, self.state_width), np.float16)
        inner, mask = pad([text.states for text in texts if text.states is not None], empty)
        spans, said = pad([text.spans for text in texts if text.spans is not None], np.zeros((0, 2), np.int64))
        states, whole = self.upper(inner.float().to(device), mask.to(device), spans.to(device))
        return TextBatch(
            said.to(device), words, states=states, graphs=None if graphs is None else graphs.to(device), whole=whole
        )


def extract_text_features(
    captions: Sequence[str],
    encoder: TextEncoder,
    cache: FeatureCache,
    *,
    parser: CaptionParser | None = None,
    progress: Progress | None = None,
) -> TextTable:
    """The words of `captions` as a table, with their scene graphs if a `parser` is given; equal captions once.

    Vocabulary ids, and a handful of captions (queries, not a corpus), stay in memory: for those it costs more to look
    into the cache than to encode them. So does a handful of new ones among many. Of an encoder whose upper layers are
    in training, what comes into them is cached, and they are run at every reading.
    """
    distinct = list(dict.fromkeys(captions))
    graph = None if parser is None else _graphs(distinct, encoder, parser, cache, progress=progress).__getitem__
    if encoder.vocabulary_size or len(distinct) <= TEXT_BATCH:
        encoded = encoder.encode_few(tuple(distinct)) if len(distinct) <= FEW else encoder.encode(distinct)
        read = dict(zip(distinct, encoded, strict=True)).__getitem__
    else:
        by_reader: dict[TextEncoder, list[str]] = defaultdict(list)
        for caption in distinct:
            by_reader[encoder.reader_of(caption)].append(caption)
        reads = {
            caption: read_by
            for reader, own in by_reader.items()
            for read_by in [_through_cache(own, reader, cache, progress=progress)]
            for caption in own
        }

        def read(caption: str) -> TextFeatures:
            return reads[caption](caption)

    return TextTable(tuple(captions), encoder.state_width, read, graph, encoder.whole_width, encoder.upper)


def _through_cache(
    distinct: Sequence[str], encoder: TextEncoder, cache: FeatureCache, *, progress: Progress | None
) -> Callable[[str], TextFeatures]:
    """What reads the features of captions, most of them from the cache; those that were not there are encoded."""
    store = cache.records(encoder.name, encoder.fingerprint, view="text")
    missing = [caption for caption in distinct if _caption_key(caption) not in store]
    fresh: dict[str, TextFeatures] = {}
    if len(missing) <= TEXT_BATCH:
        fresh.update(zip(missing, encoder.encode(missing), strict=True))
    else:
        _encode_captions(missing, encoder, store, progress=progress or Silent())

    def read(caption: str) -> TextFeatures:
        return fresh[caption] if caption in fresh else _text_of_record(store.read(_caption_key(caption)))

    return read


def _graphs(
    captions: Sequence[str],
    encoder: TextEncoder,
    parser: CaptionParser,
    cache: FeatureCache,
    *,
    progress: Progress | None,
) -> dict[str, SceneGraph]:
    """The scene graph of each caption; a handful is parsed without asking the cache.

    The parser reads English. A caption that the encoder knows to be in another language has an empty graph, of which
    a batch makes one node that all its words say.
    """
    readable = [caption for caption in captions if encoder.language_of(caption) in ("", "en")]
    if len(readable) <= TEXT_BATCH:
        parsed = parser.parse_all([normalise(caption) for caption in readable])
    else:
        parsed = parse_captions(readable, parser, cache, progress=progress)
    graphs = dict(zip(readable, parsed, strict=True))
    return {caption: graphs.get(caption, SceneGraph((), ())) for caption in captions}


def _encode_captions(captions: Sequence[str], encoder: TextEncoder, store: RecordStore, *, progress: Progress) -> None:
    """Encode and store captions, short ones first, so that a batch holds captions of like length."""
    ordered = sorted(captions, key=len)
    try:
        with progress.task("encoding captions", len(ordered)) as task:
            for start in range(0, len(ordered), TEXT_BATCH):
                group = ordered[start : start + TEXT_BATCH]
                for caption, text in zip(group, encoder.encode(group), strict=True):
                    store.write(_caption_key(caption), _record_of_text(text))
                task.advance(len(group))
    finally:
        store.flush()


def _caption_key(caption: str) -> str:
    return hashlib.sha256(caption.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _record_of_text(text: TextFeatures) -> dict[str, Array]:
    """Words have no white space in them, so they are kept as one line-separated text."""
    if text.states is None:
        raise ConfigError("only word states are cached; vocabulary ids are quicker to compute than to read.")
    words = np.frombuffer("\n".join(text.words).encode(), np.uint8)
    whole = {} if text.whole is None else {"whole": text.whole[None]}
    spans = {} if text.spans is None else {"spans": text.spans}
    return {"words": words, "states": text.states, **whole, **spans}


def _text_of_record(record: Mapping[str, Array]) -> TextFeatures:
    words = tuple(record["words"].tobytes().decode().split("\n"))
    whole = record["whole"][0] if "whole" in record else None
    return TextFeatures(words, states=record["states"], whole=whole, spans=record.get("spans"))
