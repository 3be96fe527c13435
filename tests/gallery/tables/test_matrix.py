import numpy as np
import torch

from crossgraph.gallery.tables.matrix import Matrix
from crossgraph.gallery.tables.splice import Splice


def drawn(count: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 5), np.float32)


def test_a_matrix_reads_like_the_tensor_it_was_made_of() -> None:
    rows, query = drawn(7), torch.randn(5)
    matrix = Matrix.of(rows)
    assert len(matrix) == 7
    assert torch.equal(matrix[3], torch.from_numpy(rows[3]))
    assert torch.equal(matrix[[4, 1]], torch.from_numpy(rows[[4, 1]]))
    assert matrix[[]].shape == (0, 5)
    torch.testing.assert_close(matrix.products(query), torch.from_numpy(rows) @ query)
    torch.testing.assert_close(matrix.products(query, torch.tensor([5, 0])), torch.from_numpy(rows[[5, 0]]) @ query)


def test_earlier_matrices_stay_what_they_were_through_a_hundred_changes() -> None:
    random, rows = np.random.default_rng(1), drawn(40)
    kept = [(Matrix.of(rows), rows)]
    for step in range(100):
        matrix, rows = kept[-1]
        gone = sorted(random.choice(len(rows), int(random.integers(0, 4)), replace=False).tolist())
        new = drawn(int(random.integers(0, 30)), seed=step)
        splice = Splice.of(len(rows), gone, sorted(random.integers(0, len(rows) + 1, len(new)).tolist()))
        kept.append((matrix.spliced(splice, new), splice.array(rows, new)))
    for matrix, expected in kept:
        assert torch.equal(matrix.tensor(), torch.from_numpy(expected))


def test_two_matrices_out_of_one_do_not_write_over_each_other() -> None:
    start, splice = Matrix.of(drawn(3)), Splice.of(3, (), [3])
    one, other = (start.spliced(splice, drawn(1, seed=seed)) for seed in (1, 2))
    assert torch.equal(one[3], torch.from_numpy(drawn(1, seed=1)[0]))
    assert torch.equal(other[3], torch.from_numpy(drawn(1, seed=2)[0]))


def test_a_product_depends_on_the_row_alone_and_not_on_where_it_lies() -> None:
    rows, query = drawn(1001), torch.randn(5)
    matrix, order = Matrix.of(rows), np.random.default_rng(3).permutation(1001)
    full = matrix.products(query)
    assert torch.equal(Matrix.of(rows[order]).products(query), full[torch.from_numpy(order)])
    assert torch.equal(matrix.products(query, torch.tensor([8, 500])), full[[8, 500]])
