"""Whatever gives the codes, every row has its own, and what cannot be read has none."""

from pathlib import Path

import numpy as np
import pytest
import torch

from crossgraph.data.image_reader import ImageReader
from crossgraph.errors import ModelError
from crossgraph.gallery.stages.coders import ModelCoder
from crossgraph.gallery.stages.codes import LearnedPlanes, RandomPlanes
from crossgraph.gallery.stages.model import Coder, code_bits, encode_images_for_stages, encode_texts_for_stages
from crossgraph.gallery.stages.quantisation import fit_quantisation
from tests.gallery.fake_model import WIDTH, FakeHashing, FakeModel

SENTENCES = ["a red thing", "two blue ones", "green"]


def drawn(count: int, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, WIDTH), np.float32)


def learned_planes() -> LearnedPlanes:
    return LearnedPlanes(fit_quantisation([torch.from_numpy(drawn(60, seed=7))], bits=16))


@pytest.fixture(params=["random", "learned", "model"])
def coder(request: pytest.FixtureRequest) -> Coder:
    if request.param == "model":
        return ModelCoder(FakeHashing("codes"))
    return RandomPlanes(16, width=WIDTH) if request.param == "random" else learned_planes()


@pytest.fixture
def coded(coder: Coder) -> FakeModel:
    model = FakeModel("fine", fine=True, shortlist=FakeModel("dense", fine=False))
    model.coder = coder
    return model


def test_codes_of_many_are_those_of_each_alone(coded: FakeModel, images: Path) -> None:
    texts = encode_texts_for_stages(coded, SENTENCES)
    paths = sorted(images.glob("*.png"))
    pictures, kept, skipped = encode_images_for_stages(coded, paths)
    assert texts.codes is not None
    assert pictures.codes is not None
    assert (kept, skipped) == (tuple(range(len(paths))), ())
    assert code_bits(coded, texts) == 16
    for row, sentence in enumerate(SENTENCES):
        assert np.array_equal(texts.codes[row : row + 1], encode_texts_for_stages(coded, [sentence]).codes)
    for row, path in enumerate(paths):
        assert np.array_equal(pictures.codes[row : row + 1], encode_images_for_stages(coded, [path])[0].codes)


def test_a_picture_that_any_part_cannot_read_is_left_out_of_all(coded: FakeModel, images: Path) -> None:
    paths = sorted(images.glob("*.png"))[:4]
    paths[1].write_bytes(b"no picture")
    encoded, kept, skipped = encode_images_for_stages(coded, paths)
    assert kept == (0, 2, 3)
    assert [entry.path for entry in skipped] == [paths[1]]
    assert encoded.codes is not None
    assert len(encoded.vectors) == len(encoded.need_fine()) == len(encoded.codes) == 3


def test_a_picture_that_only_the_coder_cannot_read_is_left_out_of_all(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(images.glob("*.png"))[:4]
    hashing, model = FakeHashing("codes"), FakeModel("fine", fine=True)
    model.coder = ModelCoder(hashing)
    whole, _, _ = encode_images_for_stages(model, paths)
    encode = hashing.encode_image_files

    def gone_meanwhile(asked: list[Path], *, reader: ImageReader) -> object:
        paths[2].unlink()
        return encode(asked, reader=reader)

    monkeypatch.setattr(hashing, "encode_image_files", gone_meanwhile)
    encoded, kept, skipped = encode_images_for_stages(model, paths)
    assert (kept, [entry.path for entry in skipped]) == ((0, 1, 3), [paths[2]])
    assert encoded.codes is not None
    assert whole.codes is not None
    assert np.array_equal(encoded.vectors, whole.vectors[[0, 1, 3]])
    assert np.array_equal(encoded.codes, whole.codes[[0, 1, 3]])
    assert torch.equal(encoded.need_fine().embedding, whole.need_fine().embedding[[0, 1, 3]])


def test_only_planes_give_codes_of_any_vector() -> None:
    vectors = drawn(3, seed=0)
    for planes in (RandomPlanes(16, width=WIDTH), learned_planes()):
        assert np.array_equal(planes.codes_of_vectors(vectors), planes.codes_of_texts(SENTENCES, vectors))
    coder: Coder = ModelCoder(FakeHashing("codes"))
    assert coder.codes_of_vectors(vectors) is None


def test_a_model_without_codes_is_no_coder() -> None:
    coder = ModelCoder(FakeModel("dense", fine=False))
    with pytest.raises(ModelError, match="gives none: it is no hashing method"):
        coder.codes_of_texts(SENTENCES, np.zeros((3, WIDTH), np.float32))


def test_labels_are_those_the_codes_were_learned_from() -> None:
    hashing = FakeHashing("codes")
    hashing.label_names = ("dog", "cat")
    assert ModelCoder(hashing).label_names == ("dog", "cat")
    assert RandomPlanes(16, width=WIDTH).label_names == learned_planes().label_names == ()
