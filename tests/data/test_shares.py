"""Seeded shares: sizes, stability, and what a release's own splits leave to them."""

from __future__ import annotations

from collections import Counter

import pytest

from crossgraph.data.options import NoOptions, options_of
from crossgraph.data.shares import Shares, hold_out, share_splits
from crossgraph.errors import DataError

NAMES = [f"im{number}.jpg" for number in range(200)]


def test_shares_are_of_the_asked_size_and_depend_on_the_seed_alone() -> None:
    splits = share_splits(NAMES, val=0.05, test=0.1, seed=0)
    assert Counter(splits) == {"train": 170, "val": 10, "test": 20}
    assert share_splits(NAMES, val=0.05, test=0.1, seed=0) == splits
    assert share_splits(NAMES, val=0.05, test=0.1, seed=1) != splits
    backwards = share_splits(NAMES[::-1], val=0.05, test=0.1, seed=0)
    assert backwards[::-1] == splits


def test_a_missing_item_hardly_moves_the_others() -> None:
    whole = dict(zip(NAMES, share_splits(NAMES, val=0.05, test=0.1, seed=3), strict=True))
    fewer = [name for name in NAMES if name != "im7.jpg"]
    moved = sum(whole[n] != s for n, s in zip(fewer, share_splits(fewer, val=0.05, test=0.1, seed=3), strict=True))
    assert moved <= 2


def test_holding_out_takes_from_train_only_and_only_where_there_is_no_val() -> None:
    splits = ["train"] * 100 + ["test"] * 100
    held = hold_out(NAMES, splits, val=0.1, seed=0)
    assert Counter(held) == {"train": 90, "val": 10, "test": 100}
    assert held[100:] == ["test"] * 100
    assert hold_out(NAMES, held, val=0.5, seed=0) == held
    assert hold_out(NAMES, splits, val=0.0, seed=0) == splits


def test_options_are_read_from_text() -> None:
    assert options_of(Shares, "val_share=0.2&seed=7", spec="x") == Shares(val_share=0.2, seed=7)
    assert options_of(Shares, "", spec="x") == Shares()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sed=1", "unknown option 'sed'. Did you mean 'seed'"),
        ("seed", "must be name=value"),
        ("seed=1&seed=2", "each name once"),
        ("seed=x", "seed: .*integer"),
        ("val_share=2", "val_share: .*less than 1"),
    ],
)
def test_an_option_that_is_none_is_refused_with_the_text_it_is_in(text: str, complaint: str) -> None:
    with pytest.raises(DataError, match=rf"set:here\?.*{complaint}"):
        options_of(Shares, text, spec=f"set:here?{text}")


def test_a_source_without_options_says_so() -> None:
    with pytest.raises(DataError, match="takes none"):
        options_of(NoOptions, "a=1", spec="x")
