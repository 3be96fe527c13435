"""Why a picture matches a sentence, as the API and the page say it."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

from pydantic import Field

from crossgraph.data.images import read_image
from crossgraph.errors import ImageError
from crossgraph.gallery.explanations.code_match import explain_pair
from crossgraph.gallery.explanations.explain import alignment_to_json, draw_alignment
from crossgraph.gallery.tables.items import Item
from crossgraph.serving.library import Library
from crossgraph.serving.pictures import gone
from crossgraph.serving.problems import Problem, readable
from crossgraph.serving.recent import Recent
from crossgraph.serving.schemas import Out
from crossgraph.types import Alignment

Box = tuple[float, float, float, float]
How = Literal["words", "matches", "apart"]
CLOSE = 5e-3  # a sum that differs by less from the score is the score, but for rounding


class WordOut(Out):
    """One word of the sentence, as the model reads it."""

    word: str = Field(examples=["dog"])
    score: float = Field(description="How well it was found, in the method's own units.")
    contribution: float | None = Field(description="What it adds to the score; null where the score is no such sum.")
    weights: list[float] = Field(description="How much it looked at each region; their sum is 1, or 0: nowhere.")


class MatchOut(Out):
    """One node of the sentence's scene graph, and what of the picture it matched."""

    kind: Literal["object", "attribute", "relation"]
    text: str = Field(examples=["dog · on · sand"])
    boxes: list[Box] = Field(description="Where it was found: one box, or a relation's two, subject first.")
    score: float = Field(description="The cosine of the two nodes.")
    contribution: float = Field(description="What it adds to the score of the pair.")


class LabelOut(Out):
    """A label whose name has a code near those of the picture and the sentence."""

    label: str
    image: float = Field(description="Agreement with the picture's code, from -1 to 1.")
    sentence: float = Field(description="Agreement with the sentence's code, from -1 to 1.")


class CodeOut(Out):
    """How the codes of the picture and of the sentence agree."""

    bits: int
    agreeing: list[int] = Field(description="The bits that are equal, counted from 0.")
    differing: list[int]
    score: float = Field(description="1 - 2 (Hamming distance) / bits.")
    labels: list[LabelOut]


class ExplainOut(Out):
    """Why a picture matches a sentence."""

    item: str = Field(description="The id of the picture.")
    sentence: str
    method: str = Field(description="The method that scored the pair, that of the last stage.")
    score: float
    explained: float | None = Field(
        description="What the contributions of words, or of matches, add up to; null where the score is no such sum."
    )
    how: How = Field(description="What the score was taken apart into: words, matches, or nothing that adds up to it.")
    said: str = Field(description="The same in a sentence.")
    boxes: list[Box] = Field(description="The regions: x1, y1, x2, y2, each from 0 to 1.")
    words: list[WordOut]
    matches: list[MatchOut] = Field(description="Those of methods that read scene graphs, in the sentence's order.")
    code: CodeOut | None = Field(description="Null where the model has no codes.")
    notes: list[str] = Field(description="What of the sentence the model did not know, and the like.")
    version: str = Field(description="The state of the gallery.")


@dataclass(frozen=True)
class Explained:
    """An explanation and the picture that it is of."""

    item: Item
    alignment: Alignment
    told: ExplainOut
    model: str = ""  # its fingerprint

    @property
    def tag(self) -> str:
        """What names it: another one for another picture, sentence, model or state of the gallery."""
        return f"{self.model}-{self.told.version}-{self.item.digest}"


Alignments = Recent[tuple[Alignment, tuple[str, ...]]]


def explained(library: Library, kept: Alignments, id: str, sentence: str) -> Explained:
    """Why a picture matches a sentence, by the last stage of the gallery's model.

    Raises `Problem` 404 for an unknown id, 410 where its file is gone or unreadable, 422 for a sentence without text.
    """
    sentence = sentence.strip()
    if not sentence:
        raise Problem(422, "the sentence is empty. Give one to explain: q=two dogs.")
    item, gallery = library.item(id), library.gallery
    version, model = str(gallery.current().version), gallery.require_model()

    def make() -> tuple[Alignment, tuple[str, ...]]:
        try:
            found = explain_pair(model, sentence, item.path)
        except ImageError as error:
            raise gone(item, error.reason) from error
        return found, model.understanding(sentence).notes()

    alignment, notes = kept.get((model.fingerprint, version, item.digest, sentence), make)
    told = explain_out(alignment, item=item, sentence=sentence, method=model.method.name, version=version, notes=notes)
    return Explained(item, alignment, told, model.fingerprint)


def explain_out(
    alignment: Alignment, *, item: Item, sentence: str, method: str, version: str, notes: tuple[str, ...] = ()
) -> ExplainOut:
    """An alignment as the API says it."""
    plain: dict[str, Any] = alignment_to_json(alignment)
    how: How = "words" if alignment.contributions is not None else "matches" if alignment.matches else "apart"
    plain["words"] = [{"contribution": None} | one | {"word": readable(one["word"])} for one in plain["words"]]
    plain["matches"] = [one | {"text": readable(one["text"])} for one in plain["matches"]]
    about = {"item": item.id, "sentence": readable(sentence), "method": method, "version": version}
    explains = {"how": how, "said": said(how, alignment.score, alignment.explained)}
    return ExplainOut.model_validate({**plain, **about, **explains, "notes": [readable(note) for note in notes]})


def said(how: How, score: float, explained: float | None) -> str:
    """What the numbers of an explanation are, in a sentence: no more is claimed than the method gives."""
    if explained is None or how == "apart":
        return (
            "The numbers say how well each word was found, in the method's own units. They do not add up to the score."
        )
    parts = "words" if how == "words" else "matched parts"
    if abs(explained - score) <= CLOSE:
        return f"The score {score:.3f} is the sum of what the {parts} add."
    return (
        f"The {parts} add up to {explained:.3f} of the score {score:.3f}. The rest comes of picture and sentence as "
        "wholes, and cannot be told apart."
    )


def drawn(found: Explained) -> bytes:
    """The explanation as a PNG, as `crossgraph explain` draws it. Raises `Problem` 410."""
    try:
        image = read_image(found.item.path)
    except ImageError as error:
        raise gone(found.item, error.reason) from error
    held = BytesIO()
    draw_alignment(image, found.alignment).save(held, "PNG")
    return held.getvalue()
