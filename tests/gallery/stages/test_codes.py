from pathlib import Path

import numpy as np
import pytest
import torch

from crossgraph.bits import pack_array, unpack_array
from crossgraph.errors import ConfigError, ModelError
from crossgraph.gallery.stages import code_index, compiled
from crossgraph.gallery.stages.code_index import CodeIndex, hamming, nearest_codes
from crossgraph.gallery.stages.codes import PLANES, LearnedPlanes, Quantisation, RandomPlanes
from crossgraph.gallery.stages.quantisation import fit_quantisation
from crossgraph.gallery.tables.matrix import Matrix


def drawn_codes(count: int, bits: int, *, seed: int = 0) -> np.ndarray:
    return pack_array(np.random.default_rng(seed).random((count, bits)) > 0.5)


def drawn(count: int, width: int, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width), np.float32)


def test_distance_and_score_of_a_hand_worked_case() -> None:
    codes = np.array([[0b00000000], [0b11110000], [0b11111111]], np.uint8)
    query = np.array([0b11111110], np.uint8)
    assert hamming(codes, query).tolist() == [7, 3, 1]
    found = CodeIndex(Matrix.of(codes), bits=8).nearest(query, k=3)
    assert found.rows.tolist() == [2, 1, 0]
    assert found.scores.tolist() == [1 - 2 / 8, 1 - 6 / 8, 1 - 14 / 8]


@pytest.mark.parametrize("bits", [8, 16, 64, 72, 128, 192, 256, 512, 1024])
def test_distances_equal_counting_bits_one_by_one(bits: int) -> None:
    codes = drawn_codes(50, bits)
    rows = unpack_array(codes, bits=bits)
    slow = [sum(a != b for a, b in zip(row, rows[7], strict=True)) for row in rows]
    assert hamming(codes, codes[7]).tolist() == [int(value) for value in slow]
    assert hamming(codes, ~codes[7]).tolist() == [bits - int(value) for value in slow], "all bits may differ"


@pytest.mark.parametrize("k", [1, 3, 50, 400, 900])
def test_equal_distances_keep_the_order_of_the_rows_at_every_k(k: int) -> None:
    codes = drawn_codes(400, 8)  # eight bits for 400 rows: nearly all distances are shared
    query = codes[123]
    full = hamming(codes, query).argsort(kind="stable")
    index = CodeIndex(Matrix.of(codes), bits=8)
    assert np.array_equal(index.nearest(query, k=k).rows, full[:k])
    everything = np.ones(400, np.bool_)
    assert np.array_equal(index.nearest(query, k=k, allowed=everything).rows, full[:k])


@pytest.mark.parametrize(("k", "bits"), [(1, 8), (7, 16), (200, 8), (200, 64), (9000, 16)])
def test_a_search_over_many_blocks_keeps_the_order_of_equal_distances(k: int, bits: int) -> None:
    codes = drawn_codes(9000, bits)
    rows, distances = nearest_codes(codes, codes[4000], k=k)
    full = hamming(codes, codes[4000])
    assert np.array_equal(rows, full.argsort(kind="stable")[:k])
    assert np.array_equal(distances, full[rows])


@pytest.mark.parametrize(
    ("k", "bits", "searches", "compares"),
    [
        *((k, bits, False, False) for k, bits in [(1, 8), (7, 16), (33, 40), (140, 8), (150, 16), (9000, 16)]),
        *((k, bits, False, True) for k, bits in [(1, 64), (90, 64), (2000, 64), (90, 192), (257, 256), (9000, 320)]),
        *((k, bits, True, True) for k, bits in [(1, 256), (90, 320), (256, 256)]),
    ],
)
def test_very_many_codes_give_what_a_sort_gives_with_faiss(
    k: int, bits: int, searches: bool, compares: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss", reason="needs crossgraph[faiss]")
    monkeypatch.setattr(compiled, "MANY", 1000)
    monkeypatch.setattr(code_index, "BLOCKS", (64, 1000))
    codes = drawn_codes(9000, bits)[np.random.default_rng(5).integers(3000, size=9000)]  # every distance is shared
    query = codes[4000]
    assert (compiled.searches(codes, k=k), compiled.compares(codes)) == (searches, compares)
    rows, distances = nearest_codes(codes, query, k=k)
    full = np.unpackbits(codes ^ query, axis=1).sum(axis=1)
    assert np.array_equal(rows, full.argsort(kind="stable")[:k])
    assert np.array_equal(distances, full[rows])
    assert np.array_equal(hamming(codes, query), full)
    assert distances.dtype == hamming(codes, query).dtype


def test_without_faiss_or_with_few_codes_nothing_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.empty((1000, 32), np.uint8)
    assert not compiled.searches(codes, k=1)
    assert not compiled.compares(codes)
    monkeypatch.setattr(compiled, "MANY", 1000)
    monkeypatch.setattr(compiled, "_installed", lambda: False)
    assert not compiled.searches(codes, k=1)
    assert not compiled.compares(codes)


def test_rows_left_out_or_not_allowed_are_never_found() -> None:
    codes = drawn_codes(30, 16)
    index, query = CodeIndex(Matrix.of(codes), bits=16), codes[4]
    allowed = np.arange(30) % 2 == 0
    full = hamming(codes, query).argsort(kind="stable").tolist()
    assert index.nearest(query, k=5, without=(4, 9)).rows.tolist() == [row for row in full if row not in (4, 9)][:5]
    found = index.nearest(query, k=30, without=(4,), allowed=allowed).rows.tolist()
    assert found == [row for row in full if row % 2 == 0 and row != 4]
    assert len(CodeIndex(Matrix.of(codes[:0]), bits=16).nearest(query, k=5).rows) == 0


def test_random_codes_disagree_in_proportion_to_the_angle() -> None:
    vectors = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [2, 0, 0]], np.float32)
    codes = RandomPlanes(2048, width=3).codes_of_vectors(vectors)
    right_angle, straight, same = (int(hamming(codes[row][None], codes[0])[0]) / 2048 for row in (1, 2, 3))
    assert (straight, same) == (1.0, 0.0)
    assert right_angle == pytest.approx(0.5, abs=0.05)


def test_random_codes_depend_on_the_seed_and_on_nothing_else() -> None:
    vectors = drawn(4, 6, seed=2)
    one, other = RandomPlanes(16, width=6), RandomPlanes(16, width=6, seed=1)
    assert np.array_equal(one.codes_of_vectors(vectors), RandomPlanes(16, width=6).codes_of_vectors(vectors))
    assert np.array_equal(one.codes_of_vectors(vectors)[1:2], one.codes_of_vectors(vectors[1:2]))
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize("bits", [0, 12, 4104])
def test_a_number_of_bits_that_cannot_be_stored_is_refused(bits: int) -> None:
    with pytest.raises(ConfigError, match=f"multiple of 8; got {bits}"):
        RandomPlanes(bits, width=4)


def learned_planes(bits: int, width: int, *, seed: int = 0) -> LearnedPlanes:
    return LearnedPlanes(fit_quantisation([torch.from_numpy(drawn(60, width, seed=seed))], bits=bits))


def test_the_code_of_a_hand_worked_vector() -> None:
    planes = np.array([[1, 0, -1], [0, 1, 0]], np.float32)
    learned = LearnedPlanes(Quantisation(np.array([0.6, 0], np.float32), planes))
    codes = learned.codes_of_vectors(np.array([[3, 4], [0, -2], [5, 0]], np.float32))
    assert unpack_array(codes, bits=3).astype(int).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert (learned.bits, learned.width) == (3, 2)


def test_learned_planes_are_stored_and_read_to_the_bit(tmp_path: Path) -> None:
    planes = learned_planes(24, 16)
    planes.write(tmp_path / "codes")
    again = LearnedPlanes.read(tmp_path / "codes")
    assert np.array_equal(again.learned.centre, planes.learned.centre)
    assert np.array_equal(again.learned.planes, planes.learned.planes)
    assert again.fingerprint == planes.fingerprint
    vectors = drawn(50, 16, seed=3)
    assert np.array_equal(again.codes_of_vectors(vectors), planes.codes_of_vectors(vectors))


def test_the_fingerprint_changes_with_any_number_of_the_planes() -> None:
    planes = learned_planes(16, 16)
    for name in ("centre", "planes"):
        arrays = {"centre": planes.learned.centre.copy(), "planes": planes.learned.planes.copy(order="C")}
        arrays[name].reshape(-1)[5] += 1e-4
        assert LearnedPlanes(Quantisation(**arrays)).fingerprint != planes.fingerprint
    assert learned_planes(16, 16, seed=1).fingerprint != planes.fingerprint


@pytest.mark.parametrize("content", [None, b"", b"no tensors", b"half"])
def test_planes_that_are_missing_or_damaged_are_refused(content: bytes | None, tmp_path: Path) -> None:
    if content == b"half":
        learned_planes(16, 16).write(tmp_path)
        content = (tmp_path / PLANES).read_bytes()[:-100]
    if content is not None:
        (tmp_path / PLANES).write_bytes(content)
    with pytest.raises(ModelError, match="Build the cascade again"):
        LearnedPlanes.read(tmp_path)
