"""Why a picture and a sentence match."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from crossgraph.data.images import read_image
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.gallery.explanations.code_match import explain_pair
from crossgraph.gallery.explanations.explain import draw_alignment
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.types import Alignment
from crossgraph.verbs.models import given_search_model


def explain(
    sentence: str, image: Path | str, model: SearchModel | Path | str = DEFAULT_MODEL, *, device: str = "cpu"
) -> tuple[Alignment, Image.Image]:
    """Why a picture and a sentence match: the alignment, and the picture with it drawn over."""
    alignment = explain_pair(given_search_model(model, device=device), sentence, Path(image))
    return alignment, draw_alignment(read_image(Path(image)), alignment)
