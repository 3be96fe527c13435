"""An untrained scene-graph method as a search model: cells of pictures are objects, sentences have a toy grammar."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from crossgraph.data.graphs.graph_batches import batch_graphs
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.data.images import read_image
from crossgraph.encoders.grid import grid_boxes
from crossgraph.encoders.understanding import Understanding, read_text
from crossgraph.graphs.scene_graph import Attribute, GraphObject, Relation, SceneGraph
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import InputSizes
from crossgraph.progress import Progress
from crossgraph.types import Alignment, Encoded, ImageBatch, TextBatch
from tests.gallery.fake_model import WIDTH, Pictures

SIZES = InputSizes(part_width=3, whole_width=3, state_width=WIDTH)


class GraphModel:
    """`name` is the method; its embedding is its own shortlist. Pictures have 4 to 9 cells as regions."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(5)
        settings = {"width": 16, "heads": 2, "word_width": 12, "gru_width": 12, "neighbours": 2}
        self.fingerprint = name
        self.method = build_method(name, settings, SIZES).eval()
        self.shortlist = None
        self.blend = 0.0
        self.coder = None
        self.label_names: tuple[str, ...] = ()
        self.calibration: dict[str, object] = {}

    @torch.inference_mode()
    def encode_image_files(
        self, paths: Sequence[Path], *, progress: Progress | None = None, reader: ImageReader = PLAIN
    ) -> Pictures:
        return Pictures(self.method.encode_images(image_batch(paths)), tuple(range(len(paths))), ())

    @torch.inference_mode()
    def encode_raw_texts(self, sentences: Sequence[str]) -> Encoded:
        return self.method.encode_texts(text_batch(sentences))

    def understanding(self, text: str) -> Understanding:
        return read_text(text, max_words=40)

    @torch.inference_mode()
    def explain(self, sentence: str, path: Path) -> Alignment:
        return self.method.explain(image_batch([path]), text_batch([sentence]))


def image_batch(paths: Sequence[Path]) -> ImageBatch:
    """3 x 3 cells with their mean colours, of which 4 to 9 are real."""
    small = [np.asarray(read_image(path).resize((3, 3)), dtype=np.float32) for path in paths]
    parts = torch.from_numpy(np.stack(small)).view(len(paths), 9, 3) / 255 - 0.5
    real = 4 + (parts.sum(dim=(1, 2)).abs() * 10).long() % 6
    mask = torch.arange(9) < real[:, None]
    boxes = torch.from_numpy(grid_boxes([3])).float().expand(len(paths), -1, -1)
    return ImageBatch(parts * mask[..., None], mask, boxes, parts.mean(dim=1))


def text_batch(sentences: Sequence[str]) -> TextBatch:
    """Words as random vectors that depend on the word alone, and the sentence's toy graph."""
    words = [tuple(sentence.split()) for sentence in sentences]
    states = torch.zeros(len(words), max(map(len, words)), WIDTH)
    mask = torch.zeros(states.shape[:2], dtype=torch.bool)
    for row, said in enumerate(words):
        for place, word in enumerate(said):
            seed = int.from_bytes(word.encode()) % 2**31
            states[row, place] = torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed))
            mask[row, place] = True
    graphs = batch_graphs(sentences, [toy_graph(sentence) for sentence in sentences], lengths=[*map(len, words)])
    return TextBatch(mask, tuple(words), states=states, graphs=graphs)


def toy_graph(sentence: str) -> SceneGraph:
    """Words 0, 2, 4, ... are objects, words between join them; the last of an even number is an attribute."""
    words, spans, start = sentence.split(), [], 0
    for word in words:
        spans.append((start, start + len(word)))
        start += len(word) + 1
    objects = [GraphObject(words[place], span=spans[place]) for place in range(0, len(words), 2)]
    if len(words) % 2 == 0:
        objects[-1] = GraphObject(words[-2], (Attribute(words[-1], spans[-1]),), spans[-2])
    joins = [Relation(place // 2, words[place], place // 2 + 1, spans[place]) for place in range(1, len(words) - 1, 2)]
    return SceneGraph(tuple(objects), tuple(joins))
