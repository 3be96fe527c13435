"""False captions for training: edits that stay the same all run long, and ones that look-alikes of the epoch suggest.

Every caption of a step brings one of its edits, drawn by seed, epoch and caption alone. An edit is parsed and encoded
like any caption, and cached like one; so that there are not too many, a caption keeps one of each kind, and only a
`share` of the captions is edited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from crossgraph.data.batches import Step
from crossgraph.data.features.text_features import TextTable
from crossgraph.graphs.negatives import Kind, NegativeCaption, negative_captions, valid
from crossgraph.graphs.scene_graph import SceneGraph
from crossgraph.progress import Progress
from crossgraph.training.dataset import Dataset
from crossgraph.types import NegativeCaptions, TextBatch
from crossgraph.words import normalise

SIMILAR: Kind = "similar"
BORROWED: Kind = "borrowed"
LOOK_ALIKES = 3
"""How many look-alikes of a picture are kept; an epoch's edits take one of them."""

Tabulate = Callable[[Sequence[str]], TextTable]
"""From sentences to their features and scene graphs."""


@dataclass(frozen=True)
class _Sentences:
    """A table of sentences, found by what they say."""

    texts: TextTable

    @cached_property
    def places(self) -> dict[str, int]:
        """The row of every sentence."""
        return {text: row for row, text in enumerate(self.texts.captions)}

    def of(self, texts: Sequence[str]) -> TextBatch:
        """The features of these sentences."""
        return self.texts.rows([self.places[text] for text in texts])


@dataclass
class NegativeSampler:
    """The false captions of one training run; `kinds` and `share` are those its method wants."""

    dataset: Dataset
    kinds: frozenset[Kind]
    tabulate: Tabulate
    seed: int
    progress: Progress
    share: float = 1.0
    _lasting: list[list[str]] = field(default_factory=list)
    _of_epoch: dict[int, list[str]] = field(default_factory=dict)
    _lasting_table: _Sentences = field(init=False)
    _table: _Sentences = field(init=False)

    def __post_init__(self) -> None:
        corpus = self.dataset.corpus
        self._captions = [normalise(caption) for caption in corpus.captions]
        self._graphs = [self._graph(caption) for caption in corpus.captions]
        self._siblings = corpus.captions_of_images()
        self._image = corpus.caption_image.tolist()
        lasting = self.kinds - {SIMILAR, BORROWED}
        with self.progress.task("editing captions", len(self._captions)) as task:
            for caption in range(len(self._captions)):
                self._lasting.append(self._kept(caption, lasting))
                task.advance()
        self._lasting_table = self._tabulated(text for edits in self._lasting for text in edits)
        self._table = self._lasting_table

    @property
    def needs_look_alikes(self) -> bool:
        """Whether `begin` makes anything of look-alikes."""
        return bool(self.kinds & {SIMILAR, BORROWED})

    def begin(self, epoch: int, look_alikes: Int[Tensor, "n k"] | None) -> None:
        """Make what look-alikes suggest for an epoch: a phrase for one caption a picture, captions for all of them."""
        self._of_epoch, self._table = {}, self._lasting_table
        if not self.needs_look_alikes or look_alikes is None or look_alikes.shape[1] == 0:
            return
        for image, captions in enumerate(self._siblings):
            if not captions:
                continue
            rng = np.random.default_rng((self.seed, epoch, image))
            caption = int(rng.choice(captions))
            other = int(look_alikes[image, rng.integers(look_alikes.shape[1])])
            if SIMILAR in self.kinds and (edits := self._edits(caption, frozenset({SIMILAR}), look_alike=other)):
                self._of_epoch.setdefault(caption, []).append(edits[int(rng.integers(len(edits)))].text)
            if BORROWED in self.kinds:
                self._borrow(captions, self._siblings[other], rng)
        fresh = self._tabulated(
            text for texts in self._of_epoch.values() for text in texts if text not in self._lasting_table.places
        )
        self._table = _Sentences(self._lasting_table.texts.extended(fresh.texts))

    def _borrow(self, captions: Sequence[int], theirs: Sequence[int], rng: np.random.Generator) -> None:
        """Give every caption of a picture one of a look-alike's that says something else than all of them."""
        own = [self._captions[one] for one in captions], [self._graphs[one] for one in captions]
        false = [other for other in theirs if valid(self._captions[other], self._graphs[other], *own)]
        for caption in captions if false else ():
            self._of_epoch.setdefault(caption, []).append(self._captions[int(rng.choice(false))])

    def of_step(self, step: Step, epoch: int) -> NegativeCaptions | None:
        """One edit for every caption of the step that has any; None if none has."""
        texts, captions = [], []
        for place, caption in enumerate(step.captions):
            choices = [*self._lasting[caption], *self._of_epoch.get(caption, ())]
            if choices:
                rng = np.random.default_rng((self.seed, epoch, caption))
                texts.append(choices[int(rng.integers(len(choices)))])
                captions.append(place)
        return NegativeCaptions(self._table.of(texts), torch.tensor(captions)) if texts else None

    def _kept(self, caption: int, kinds: frozenset[Kind]) -> list[str]:
        """One edit of every kind that the caption allows, if it is one to be edited; drawn by seed and caption."""
        rng = np.random.default_rng((self.seed, caption))
        found = self._edits(caption, kinds) if kinds and rng.random() < self.share else []
        by_kind = {kind: [edit.text for edit in found if edit.kind == kind] for kind in sorted(kinds)}
        return [texts[int(rng.integers(len(texts)))] for texts in by_kind.values() if texts]

    def _edits(self, caption: int, kinds: frozenset[Kind], *, look_alike: int | None = None) -> list[NegativeCaption]:
        own = self._siblings[self._image[caption]]
        others = [] if look_alike is None else self._siblings[look_alike]
        return negative_captions(
            self._captions[caption],
            self._graphs[caption],
            own_captions=[self._captions[one] for one in own],
            own_graphs=[self._graphs[one] for one in own],
            kinds=kinds,
            look_alike=[(self._captions[one], self._graphs[one]) for one in others],
        )

    def _graph(self, caption: str) -> SceneGraph:
        assert self.dataset.texts.graph is not None, "a method with negatives reads scene graphs"
        return self.dataset.texts.graph(caption)

    def _tabulated(self, texts: Iterable[str]) -> _Sentences:
        return _Sentences(self.tabulate(list(dict.fromkeys(texts))))
