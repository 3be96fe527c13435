import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.tables import folding
from crossgraph.gallery.tables.folding import ALIKE, BYTES, count_alike, folded, perceptual_hash, unlike
from tests.gallery.fake_model import FakeModel


def photo(seed: int) -> Image.Image:
    """A smooth random picture of many shades."""
    cells = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((320, 240), Image.Resampling.BICUBIC)


def hashes(*images: Image.Image) -> np.ndarray:
    return np.stack([np.frombuffer(perceptual_hash(image), np.uint8) for image in images])


def compressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(file)


def table(digests: str, looks: list[bytes | None]) -> pa.Table:
    return pa.table({"digest": list(digests), "perceptual_hash": pa.array(looks, pa.binary())})


def test_the_hash_survives_scaling_compression_and_light_and_tells_pictures_apart() -> None:
    original = photo(0)
    brighter = original.point(lambda value: min(255, round(value * 1.1)))
    versions = hashes(original.resize((100, 75)), compressed(original), brighter, original.convert("L"))
    same = np.frombuffer(perceptual_hash(original), np.uint8)
    assert (unlike(versions, same) <= ALIKE).all()
    assert (unlike(hashes(*map(photo, range(1, 30))), same) > 2 * ALIKE).all()


def test_a_brightness_that_rises_is_all_brighter_and_its_mirror_all_darker() -> None:
    rising = Image.fromarray(np.tile(np.linspace(0, 255, 170).astype(np.uint8), (20, 1)))
    assert perceptual_hash(rising) == b"\xff" * 32 + bytes(32)
    assert perceptual_hash(rising.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == bytes(32) + b"\xff" * 32
    assert perceptual_hash(Image.new("RGB", (50, 50), "red")) == bytes(64)
    assert unlike(hashes(rising), np.zeros(BYTES, np.uint8)).tolist() == [1.0]


def test_answers_are_folded_under_the_best_that_they_look_like() -> None:
    a, b = perceptual_hash(photo(0)), perceptual_hash(photo(1))
    items = table("uvwxyz", [a, b, a, None, None, b])
    # Ranked: 5 (like b), 0 (a), 3 (unknown), 1 (like b), 2 (like a), 4 (unknown).
    assert folded(items, range(6), [5, 0, 3, 1, 2, 4], k=9) == [(5, [1]), (0, [2]), (3, []), (4, [])]
    assert folded(items, range(6), [5, 0, 3, 1, 2, 4], k=2) == [(5, [1]), (0, [2])]
    assert folded(table("uu", [None, None]), range(2), [1, 0], k=9) == [(1, [0])]
    assert folded(items, [4, 1, 5], [0, 2, 1], k=9) == [(0, []), (2, [1])]


def test_counts_equal_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "BLOCK", 7)
    random = np.random.default_rng(0)
    looks: list[bytes | None] = [perceptual_hash(photo(seed)) for seed in random.integers(0, 12, 30)]
    looks += [None, b"", perceptual_hash(Image.new("L", (9, 9)))]
    digests = "".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), len(looks)))
    firsts = sorted(digests.index(digest) for digest in set(digests))
    kept = [np.frombuffer(looks[row] or b"", np.uint8) for row in firsts if len(looks[row] or b"") == BYTES]
    slow = sum(any(unlike(other[None], one)[0] <= ALIKE for other in kept[:row]) for row, one in enumerate(kept))
    assert count_alike(table(digests, looks)) == (len(digests) - len(firsts), slow)
    monkeypatch.setattr(folding, "COMPARED", 3)
    assert count_alike(table(digests, looks)) == (len(digests) - len(firsts), None)


def test_a_search_folds_copies_and_loses_none_of_them(tmp_path: Path, dense: FakeModel) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(5):
        photo(seed).save(folder / f"{seed}.png")
    compressed(photo(2)).save(folder / "2.jpg", quality=60)
    (folder / "2_copy.png").write_bytes((folder / "2.png").read_bytes())
    gallery = Gallery.create(tmp_path / "gallery", dense)
    gallery.index(folder)
    plain = gallery.search("red", SearchOptions(k=7))
    found = gallery.search("red", SearchOptions(k=7, fold=True))
    assert (len(plain.results), len(found.results)) == (7, 5)
    assert [result.rank for result in found.results] == [1, 2, 3, 4, 5]
    group = next(result for result in found.results if result.similar)
    assert {group.path.name, *(path.name for path in group.similar)} == {"2.png", "2.jpg", "2_copy.png"}
    assert len(gallery.search("red", SearchOptions(k=5, fold=True)).results) == 5  # the copies take no places away
    assert found.to_json()["results"][0]["similar"] == [str(path) for path in found.results[0].similar]  # type: ignore[index]
