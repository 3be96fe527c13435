"""One sentence to a shortlist vector: by arrays beside the whole model's torch, and how far the two are apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from crossgraph import verbs
from crossgraph.bench.timing import Machine, Outcome, by_turns
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.encoders.names import model_folder
from crossgraph.errors import ModelError
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest
from crossgraph.quick.reading import QuickReader
from crossgraph.training.model import TrainedModel
from crossgraph.types import Encoded

SENTENCES = (
    "dogs",
    "two dogs run through snow",
    "a man in a red jacket climbs a steep rock face",
    "children play football on a green field in front of some old houses while people look on from a bench",
)


def run(*, repeats: int = 30) -> Outcome:
    """Sentences of one to twenty words by the model that comes with crossgraph, warm."""
    folder = model_folder(DEFAULT_MODEL)
    reader = QuickReader.open(folder, CascadeManifest.read(folder))
    if reader is None:
        raise ModelError(f"the model in {folder} is not read without torch; this benchmark is of one that is.")
    model = verbs.load()
    dense = model.shortlist
    assert dense is not None, "the model that is read without torch has one"
    rows: list[dict[str, Any]] = []
    for sentence in SENTENCES:
        ways = {
            "arrays": lambda sentence=sentence: reader.vector(sentence),
            "torch": lambda sentence=sentence: _read_anew(dense, sentence),
        }
        apart = np.abs(reader.vector(sentence) - dense.encode_raw_texts([sentence]).embedding.numpy()[0]).max()
        for name, taken in by_turns(ways, repeats=repeats).items():
            facts = taken.facts()
            rows.append({"words": len(sentence.split()), "way": name, **facts, "farthest apart": float(apart)})
    return Outcome("sentences", Machine.now(), rows, ["wanted: 12,000 microseconds"])


def _read_anew(model: TrainedModel, sentence: str) -> Encoded:
    """The sentence encoded, also where it was a moment before and what was read of it is kept."""
    vars(model.text_encoder).pop("encode_few", None)
    return model.encode_raw_texts([sentence])
