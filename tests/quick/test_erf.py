"""The error function of arrays beside that of the standard library, number by number."""

from __future__ import annotations

import math

import numpy as np

from crossgraph.quick.erf import erf, gelu

VALUES = np.concatenate([np.linspace(-6, 6, 2001), [0.0, -0.0, 1e-9, -1e-9, 30.0, -30.0]])


def test_erf_errs_by_no_more_than_its_source_says() -> None:
    expected = np.array([math.erf(value) for value in VALUES])
    assert np.abs(erf(VALUES) - expected).max() <= 1.6e-7


def test_gelu_is_the_share_of_the_normal_distribution() -> None:
    expected = np.array([value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in VALUES])
    assert np.abs(gelu(VALUES.astype(np.float32)) - expected).max() <= 2e-6
