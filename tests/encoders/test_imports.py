"""What an encoder's module may load before it is used."""

import subprocess
import sys

import pytest

HEAVY = {"transformers", "tokenizers", "huggingface_hub", "spacy", "efficientnet_lite_pytorch"}


def loaded_by(*modules: str) -> set[str]:
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_naming_encoders_loads_no_library_of_models() -> None:
    names = ("catalogue", "image", "text", "names", "given", "vocabulary_text", "pixels", "backbone")
    assert not HEAVY & loaded_by(*(f"crossgraph.encoders.{name}" for name in names))


def test_the_caption_parser_loads_no_spacy_before_it_parses() -> None:
    assert not HEAVY & loaded_by("crossgraph.graphs.caption_parser")


@pytest.mark.parametrize("name", ["efficientnet", "backbone_encoder"])
def test_the_default_image_encoder_needs_no_transformers(name: str) -> None:
    assert not {"transformers", "tokenizers", "huggingface_hub"} & loaded_by(f"crossgraph.encoders.{name}")
