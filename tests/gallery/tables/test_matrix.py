import numpy as np

from crossgraph.gallery.tables.matrix import BLOCK, Matrix
from crossgraph.gallery.tables.splice import Splice


def drawn(count: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 5), np.float32)


def test_a_matrix_reads_like_the_array_it_was_made_of() -> None:
    rows, query = drawn(7), drawn(1, seed=9)[0]
    matrix = Matrix.of(rows)
    assert len(matrix) == 7
    assert np.array_equal(matrix[3], rows[3])
    assert np.array_equal(matrix[[4, 1]], rows[[4, 1]])
    assert matrix[[]].shape == (0, 5)
    np.testing.assert_allclose(matrix.products(query), rows @ query, rtol=1.3e-6, atol=1e-5)
    np.testing.assert_allclose(matrix.products(query, np.array([5, 0])), rows[[5, 0]] @ query, rtol=1.3e-6, atol=1e-5)


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
        assert np.array_equal(matrix.whole(), expected)


def test_two_matrices_out_of_one_do_not_write_over_each_other() -> None:
    start, splice = Matrix.of(drawn(3)), Splice.of(3, (), [3])
    one, other = (start.spliced(splice, drawn(1, seed=seed)) for seed in (1, 2))
    assert np.array_equal(one[3], drawn(1, seed=1)[0])
    assert np.array_equal(other[3], drawn(1, seed=2)[0])


def test_a_product_depends_on_the_row_alone_and_not_on_where_it_lies() -> None:
    rows, query = drawn(1001), drawn(1, seed=9)[0]
    matrix, order = Matrix.of(rows), np.random.default_rng(3).permutation(1001)
    full = matrix.products(query)
    assert np.array_equal(Matrix.of(rows[order]).products(query), full[order])
    for count in (0, 2, 100, 249, 250, 251, 900, 1001):  # few are copied, of many all are multiplied
        chosen = np.sort(order[:count])
        assert np.array_equal(matrix.products(query, chosen), full[chosen])
        assert np.array_equal(Matrix.of(rows[order]).products(query, np.argsort(order)[chosen]), full[chosen])


def test_what_is_copied_for_a_product_is_copied_in_blocks() -> None:
    rows, query = drawn(9 * BLOCK), drawn(1, seed=9)[0]
    chosen = np.random.default_rng(5).choice(len(rows), 2 * BLOCK + 3, replace=False)
    matrix = Matrix.of(rows)
    assert np.array_equal(matrix.products(query, chosen), matrix.products(query)[chosen])
