"""The only data that crosses package borders: batches, encodings, alignments. All frozen.

Axis letters: n images, m captions, p parts (regions or words), d channels. Masks are True where real.
Score matrices are images x captions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, cast

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

Record = TypeVar("Record")


def moved(record: Record, device: torch.device | str) -> Record:
    """The same record with every tensor on `device`, those of records in it too; what is no tensor stays as it is.

    What a record does not begin with (`Batch.carried`) is not moved: the new record begins without it.
    """
    if isinstance(record, Tensor):
        return cast(Record, record.to(device))
    if not is_dataclass(record) or isinstance(record, type):
        return record
    there: dict[str, Any] = {one.name: moved(getattr(record, one.name), device) for one in fields(record) if one.init}
    return replace(record, **there)


@dataclass(frozen=True)
class ImageBatch:
    """Features of `n` pictures, padded to the longest: what an image encoder gives and a method reads.

    `boxes` are x1, y1, x2, y2 in [0, 1]; `whole` is one vector for the whole picture.
    """

    parts: Float[Tensor, "n p d"]
    mask: Bool[Tensor, "n p"]
    boxes: Float[Tensor, "n p 4"]
    whole: Float[Tensor, "n w"]

    def __len__(self) -> int:
        return self.parts.shape[0]

    def to(self, device: torch.device | str) -> ImageBatch:
        """The same batch on `device`."""
        return moved(self, device)


OBJECT, ATTRIBUTE, RELATION, PLACE = 0, 1, 2, 3
"""Kinds of nodes of a scene graph. A place ("on the left") is what a parse knows of; methods read it as a relation of
the object to the frame of the picture or, without relations, as an attribute."""


@dataclass(frozen=True)
class NodeBatch:
    """Nodes of `n` scene graphs, padded: what each is, and which objects it belongs to.

    `kinds` are `OBJECT`, `ATTRIBUTE`, `RELATION` or `PLACE`; `ends` are positions of object nodes of the same graph: a
    relation's subject and object, the owner of an attribute or place twice, an object itself twice.
    """

    kinds: Int[Tensor, "n v"]
    ends: Int[Tensor, "n v 2"]
    mask: Bool[Tensor, "n v"]

    def of_kind(self, kind: int) -> Bool[Tensor, "n v"]:
        """Which nodes are real and of that kind."""
        return self.mask & (self.kinds == kind)

    def __getitem__(self, rows: slice | Int[Tensor, " r"]) -> NodeBatch:
        """The chosen graphs, in the order given."""
        return NodeBatch(self.kinds[rows], self.ends[rows], self.mask[rows])

    def resized(self, width: int) -> NodeBatch:
        """The same graphs padded, or cut, to `width` nodes."""
        more = width - self.mask.shape[1]
        pad = torch.nn.functional.pad
        return NodeBatch(pad(self.kinds, (0, more)), pad(self.ends, (0, 0, 0, more)), pad(self.mask, (0, more)))

    def to(self, device: torch.device | str) -> NodeBatch:
        """The same graphs on `device`."""
        return moved(self, device)


@dataclass(frozen=True)
class TextGraphs:
    """Scene graphs of `m` captions: their nodes, and which words of the caption say each node."""

    nodes: NodeBatch
    words: Bool[Tensor, "m v p"]

    def resized(self, width: int) -> TextGraphs:
        """The same graphs padded, or cut, to `width` nodes."""
        more = width - self.words.shape[1]
        return TextGraphs(self.nodes.resized(width), torch.nn.functional.pad(self.words, (0, 0, 0, more)))

    def to(self, device: torch.device | str) -> TextGraphs:
        """The same graphs on `device`."""
        return moved(self, device)


@dataclass(frozen=True)
class TextBatch:
    """Words of `m` captions, padded to the longest: vocabulary `ids`, or frozen word `states`, never both.

    `words` are the words themselves, one per unmasked position, for explanations; `graphs` are there for methods that
    read scene graphs; `whole` is one vector for the whole caption, where a text encoder gives one.
    """

    mask: Bool[Tensor, "m p"]
    words: tuple[tuple[str, ...], ...]
    ids: Int[Tensor, "m p"] | None = None
    states: Float[Tensor, "m p d"] | None = None
    graphs: TextGraphs | None = None
    whole: Float[Tensor, "m w"] | None = None

    def __len__(self) -> int:
        return self.mask.shape[0]

    def to(self, device: torch.device | str) -> TextBatch:
        """The same batch on `device`."""
        return moved(self, device)


@dataclass(frozen=True)
class NegativeCaptions:
    """`k` sentences that are false of a picture of the batch: `caption[i]` is the caption that sentence i edits."""

    texts: TextBatch
    caption: Int[Tensor, " k"]

    def to(self, device: torch.device | str) -> NegativeCaptions:
        """The same sentences on `device`."""
        return moved(self, device)


@dataclass(frozen=True)
class Batch:
    """What a loss sees: `n` different pictures, `m` captions, and which picture each caption belongs to.

    A picture appears once however many captions it has; `caption_image[j]` is the row of caption j's picture.
    `hardness` is where the schedule stands between the mean over negatives (0) and the hardest negative (1).
    `negative_captions` are there for methods that train against generated negatives. `labels` are those of the
    pictures, where the corpus has any; `rows` say which pictures of the training set they are. For methods that read
    names, `label_texts` are the names of all labels; `class_texts` those of the classes that the image network told
    apart before training, and `classes` how probable each is for each picture. `taught` are
    the scores of the runs that teach this one, if any do. Of a corpus of several sources,
    `source` says which each picture is from, and `labels_known` which labels its source tells of: a label that is
    False and not known may well be true. `carried` is where one phase of a training step leaves detached tensors for
    the next; it lives as long as the batch, and copies begin anew.
    """

    images: ImageBatch
    texts: TextBatch
    caption_image: Int[Tensor, " m"]
    hardness: float = 1.0
    negative_captions: NegativeCaptions | None = None
    labels: Bool[Tensor, "n c"] | None = None
    rows: Int[Tensor, " n"] | None = None
    label_texts: TextBatch | None = None
    class_texts: TextBatch | None = None
    classes: Float[Tensor, "n k"] | None = None
    labels_known: Bool[Tensor, "n c"] | None = None
    source: Int[Tensor, " n"] | None = None
    taught: Float[Tensor, "n m"] | None = None
    carried: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on `device`."""
        return moved(self, device)


@dataclass(frozen=True)
class Encoded:
    """One side after a method's encoder. `embedding` (unit length) serves shortlists; `parts` serve fine scores.

    Of a method that reads scene graphs, the parts are nodes and `nodes` says what each is. Of a hashing method, `code`
    holds the bits, eight to a byte, and the embedding is the code of +1 and -1 scaled to unit length: its cosine is
    1 - 2 (Hamming distance) / bits, so that what ranks embeddings ranks codes exactly.
    """

    embedding: Float[Tensor, "n d"]
    parts: Float[Tensor, "n p e"] | None = None
    mask: Bool[Tensor, "n p"] | None = None
    nodes: NodeBatch | None = None
    code: UInt8[Tensor, "n bytes"] | None = None

    def __len__(self) -> int:
        return self.embedding.shape[0]

    def __getitem__(self, rows: slice | Int[Tensor, " r"] | Sequence[int]) -> Encoded:
        """The chosen rows, in the order given."""
        pick = rows if isinstance(rows, (slice, Tensor)) else torch.as_tensor(rows, dtype=torch.long)
        return Encoded(
            _rows(self.embedding, pick),
            None if self.parts is None else _rows(self.parts, pick),
            None if self.mask is None else self.mask[pick],
            None if self.nodes is None else self.nodes[pick],
            None if self.code is None else self.code[pick],
        )

    def lengths(self) -> Int[Tensor, " n"]:
        """The width every row needs: one more than the position of its last real part; 0 where there are no parts."""
        if self.mask is None or self.mask.shape[1] == 0:
            return torch.zeros(len(self), dtype=torch.long, device=self.embedding.device)
        positions = torch.arange(1, self.mask.shape[1] + 1, device=self.mask.device)
        return (self.mask * positions).amax(dim=1)

    def without_padding(self) -> Encoded:
        """The same rows, cut to the longest of them."""
        if self.parts is None or self.mask is None or len(self) == 0:
            return self
        width = min(self.mask.shape[1], max(1, int(self.lengths().max())))
        nodes = None if self.nodes is None else self.nodes.resized(width)
        return Encoded(self.embedding, self.parts[:, :width], self.mask[:, :width], nodes, self.code)

    def with_parts_in(self, numbers: torch.dtype) -> Encoded:
        """The same rows with parts in these numbers; those in bfloat16 ask for products in it (`methods.by_image`)."""
        return self if self.parts is None else replace(self, parts=self.parts.to(numbers))

    def to(self, device: torch.device | str) -> Encoded:
        """The same rows on `device`."""
        return moved(self, device)


def _rows(values: Tensor, pick: slice | Tensor) -> Tensor:
    """Some rows; by number they are copied whole, and so their gradients are added, which indexing does one by one."""
    if isinstance(pick, Tensor) and pick.dtype == torch.long and pick.dim() == 1 and not bool((pick < 0).any()):
        return values.index_select(0, pick.to(values.device))
    return values[pick]


def stack_encoded(pieces: Sequence[Encoded]) -> Encoded:
    """All rows of `pieces` in order, parts padded to the longest. `pieces` must not be empty."""
    embedding = torch.cat([piece.embedding for piece in pieces])
    codes = [piece.code for piece in pieces if piece.code is not None]
    code = torch.cat(codes) if codes else None
    if pieces[0].parts is None:
        return Encoded(embedding, code=code)
    width = max(piece.parts.shape[1] for piece in pieces if piece.parts is not None)
    pad = torch.nn.functional.pad
    parts = [pad(piece.parts, (0, 0, 0, width - piece.parts.shape[1])) for piece in pieces if piece.parts is not None]
    masks = [pad(piece.mask, (0, width - piece.mask.shape[1])) for piece in pieces if piece.mask is not None]
    graphs = [piece.nodes.resized(width) for piece in pieces if piece.nodes is not None]
    nodes = None
    if graphs:
        nodes = NodeBatch(
            torch.cat([graph.kinds for graph in graphs]),
            torch.cat([graph.ends for graph in graphs]),
            torch.cat([graph.mask for graph in graphs]),
        )
    return Encoded(embedding, torch.cat(parts), torch.cat(masks), nodes, code)


@dataclass(frozen=True)
class NodeMatch:
    """One node of a caption's scene graph and the node of the picture that it matched best.

    `kind` is "object", "attribute" or "relation"; `text` are its words; `boxes` where it was found: one box, or a
    relation's two, subject first (x1, y1, x2, y2 in [0, 1]). `score` is their cosine, `contribution` what the node
    adds to the score of the pair.
    """

    kind: str
    text: str
    boxes: tuple[tuple[float, float, float, float], ...]
    score: float
    contribution: float


@dataclass(frozen=True)
class LabelMatch:
    """A label whose name, as a sentence, has a code near those of a pair: both as 1 - 2 (Hamming distance) / bits."""

    label: str
    image: float
    sentence: float


@dataclass(frozen=True)
class CodeMatch:
    """How the codes of a picture and a sentence agree: which bits are equal, which differ, counted from 0.

    `labels` are those nearest to the two together, best first, where the model knows names of labels.
    """

    bits: int
    agreeing: tuple[int, ...]
    differing: tuple[int, ...]
    labels: tuple[LabelMatch, ...] = ()

    @property
    def score(self) -> float:
        """1 - 2 (Hamming distance) / bits: each equal bit adds 1 / bits, each other one takes that away."""
        return 1 - 2 * len(self.differing) / self.bits


@dataclass(frozen=True)
class Alignment:
    """Why a picture and a sentence match: `weights[i, j]` is how much word j looked at region i.

    `weights` columns sum to 1 over real regions, or are all 0 for a word found nowhere; `word_scores` say how well
    each word was found, in the method's own units. Where the score is a sum over words, `contributions` are its terms.
    Methods that read scene graphs give `matches` too, and models with codes `code`.
    """

    words: tuple[str, ...]
    boxes: Float[Tensor, "p 4"]
    weights: Float[Tensor, "p w"]
    word_scores: Float[Tensor, " w"]
    score: float
    matches: tuple[NodeMatch, ...] = ()
    contributions: Float[Tensor, " w"] | None = None
    code: CodeMatch | None = None

    @property
    def explained(self) -> float | None:
        """What of the score the contributions of words, or of matched nodes, add up to; None if there are none."""
        if self.contributions is not None:
            return float(self.contributions.sum())
        return sum(match.contribution for match in self.matches) if self.matches else None


Status = Literal["documented", "purpose documented", "ours"]
"""How much of a module is its paper's: what it computes; only what it is for, its formulas being ours; nothing."""


@dataclass(frozen=True)
class Provenance:
    """Where one module of a method comes from: `source` says what documents it, or why we have it."""

    module: str
    implementation: str
    status: Status
    source: str
