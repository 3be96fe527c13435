"""A deterministic model without training: colours of picture cells and hashed words, projected into one space."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from crossgraph.data.corpus import Skipped
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.encoders.image import ImageEncoder, ImageFeatures
from crossgraph.encoders.understanding import Understanding, read_text
from crossgraph.errors import ImageError, UnreadableError
from crossgraph.gallery.stages.codes import RandomPlanes
from crossgraph.gallery.stages.model import Coder
from crossgraph.layers.packed_bits import pack_bits
from crossgraph.methods.contract import InputSizes, Method, MethodConfig
from crossgraph.progress import Progress
from crossgraph.types import Alignment, Batch, Encoded, ImageBatch, TextBatch, stack_encoded

WIDTH = 8


@dataclass(frozen=True)
class Pictures:
    encoded: Encoded
    kept: tuple[int, ...]
    skipped: tuple[Skipped, ...]


class FakeMethod(Method):
    """Each word's best part, averaged over the words."""

    name = "fake"
    config_type = MethodConfig
    provenance = ()
    reranks = True

    def score_pairs(self, images: Encoded, texts: Encoded) -> torch.Tensor:
        best = (images.parts @ texts.parts.mT).masked_fill(~images.mask[:, :, None], -torch.inf).amax(1)
        return (best * texts.mask).sum(1) / texts.mask.sum(1)

    def encode_images(self, images: ImageBatch) -> Encoded:
        raise NotImplementedError

    def encode_texts(self, texts: TextBatch) -> Encoded:
        raise NotImplementedError

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, torch.Tensor]:
        raise NotImplementedError

    def explain(self, images: ImageBatch, texts: TextBatch) -> Alignment:
        raise NotImplementedError


class FakeDualEncoder(FakeMethod):
    name = "fake_dual_encoder"
    reranks = False


class AsItIs(ImageEncoder):
    """What prepares nothing."""

    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        raise NotImplementedError


class FakeModel:
    """`pause` seconds pass per batch of pictures; `spoil` multiplies every feature (try nan)."""

    def __init__(
        self, fingerprint: str, *, fine: bool, shortlist: "FakeModel | None" = None, pause: float = 0, spoil: float = 1
    ) -> None:
        self.fingerprint = fingerprint
        self.method = (FakeMethod if fine else FakeDualEncoder)(
            MethodConfig(), InputSizes(part_width=WIDTH, whole_width=WIDTH)
        )
        self.shortlist = shortlist
        self.pause, self.spoil = pause, spoil
        self.blend = 0.0
        self.coder: Coder | None = None
        self.label_names: tuple[str, ...] = ()
        self.calibration: dict[str, object] = {}
        self.encoded_paths: list[Path] = []
        seed = sum(fingerprint.encode())
        self._projection = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(seed))

    def encode_image_files(
        self, paths: Sequence[Path], *, progress: Progress | None = None, reader: ImageReader = PLAIN
    ) -> Pictures:
        time.sleep(self.pause)
        self.encoded_paths += paths
        rows, kept, skipped = [], [], []
        for index, path in enumerate(paths):
            try:
                image = reader.read(path, AsItIs())
            except ImageError as error:
                skipped.append(Skipped(path, error.reason))
                continue
            cells = torch.tensor(np.asarray(image.resize((3, 3))), dtype=torch.float32).view(9, 3) / 255 - 0.5
            real = 4 + int(cells.sum().abs() * 10) % 6
            rows.append(self._row((cells @ self._projection)[:real]))
            kept.append(index)
        if not rows:
            raise UnreadableError({one.path: one.reason for one in skipped})
        return Pictures(stack_encoded(rows), tuple(kept), tuple(skipped))

    def encode_raw_texts(self, sentences: Sequence[str]) -> Encoded:
        return stack_encoded([self._row(self._words(sentence)) for sentence in sentences])

    def understanding(self, text: str) -> Understanding:
        return read_text(text, max_words=40)

    def explain(self, sentence: str, path: Path) -> Alignment:
        raise NotImplementedError

    def _words(self, sentence: str) -> torch.Tensor:
        seeds = [int.from_bytes(word.encode()) % 2**31 for word in sentence.split()]
        return torch.stack([torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed)) for seed in seeds])

    def _row(self, parts: torch.Tensor) -> Encoded:
        parts = parts * self.spoil
        embedding = torch.nn.functional.normalize(parts.sum(0, keepdim=True))
        return Encoded(embedding, parts[None], torch.ones(1, len(parts), dtype=torch.bool))


def draw_images(folder: Path, count: int, *, seed: int = 0) -> Path:
    """`count` different pictures of 3 x 3 coloured cells in `folder`."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for index in range(count):
        cells = Image.fromarray(random.integers(0, 256, (3, 3, 3), dtype=np.uint8))
        cells.resize((24, 18), Image.Resampling.NEAREST).save(folder / f"{index:03}.png")
    return folder


class FakeHashing(FakeModel):
    """A model whose encodings are codes of `bits` bits: signs of random projections of the sum of the parts."""

    def __init__(self, fingerprint: str, *, bits: int = 16) -> None:
        super().__init__(fingerprint, fine=False)
        self._planes = torch.randn(WIDTH, bits, generator=torch.Generator().manual_seed(bits))

    def _row(self, parts: torch.Tensor) -> Encoded:
        bits = parts.sum(0, keepdim=True) @ self._planes > 0
        return Encoded((bits.float() * 2 - 1) / bits.shape[1] ** 0.5, code=pack_bits(bits))


def coded_model() -> FakeModel:
    """A model with every stage: codes of vectors, a shortlist, and a method that re-ranks."""
    model = FakeModel("fine", fine=True, shortlist=FakeModel("dense", fine=False))
    model.coder = RandomPlanes(16, width=WIDTH)
    return model
