"""Steps over several sources: one source a step, shares that hold, and walks that meet all before any comes again."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossgraph.data.batches import Step, plan_joint_epoch
from crossgraph.errors import ConfigError
from tests.data.test_batches import numbered

NAMES = ("a", "b", "c")
SIZES = (11, 20, 5)
SOURCES = np.repeat(np.arange(3), SIZES)
CAPTIONS = numbered([1 + (3 * i) % 5 for i in range(sum(SIZES))])
OWNER = {caption: image for image, its in enumerate(CAPTIONS) for caption in its}


def plan(epoch: int = 0, *, captions: Sequence[Sequence[int]] = CAPTIONS, **changes: Any) -> list[Step]:
    given: dict[str, Any] = {
        "sources": SOURCES,
        "source_names": NAMES,
        "shares": {"a": 2.0, "b": 1.0, "c": 1.0},
        "steps": 12,
        "batch_size": 4,
        "captions_per_image": 2,
        "seed": 0,
        "epoch": epoch,
        **changes,
    }
    return plan_joint_epoch(captions, **given)


def source_of(step: Step) -> int:
    (source,) = {int(SOURCES[image]) for image in step.images}
    return source


def walk(source: int, epochs: int, **changes: Any) -> list[list[int]]:
    """The pictures of each step of one source over several epochs, in the order of the walk."""
    return [
        sorted(step.images) for epoch in range(epochs) for step in plan(epoch, **changes) if source_of(step) == source
    ]


@pytest.mark.parametrize("changes", [{}, {"steps": 0}, {"shares": {}}, {"shares": {}, "steps": 0}])
def test_a_step_is_of_one_source_and_its_captions_are_of_its_pictures(changes: dict[str, Any]) -> None:
    for step in plan(**changes):
        source_of(step)
        assert 2 <= len(set(step.images)) == len(step.images) <= 4
        assert [step.images[row] for row in step.caption_image] == [OWNER[caption] for caption in step.captions]
        assert len(set(step.captions)) == len(step.captions)


def test_shares_hold_in_every_epoch() -> None:
    for epoch in range(5):
        assert Counter(map(source_of, plan(epoch))) == {0: 6, 1: 3, 2: 3}
        assert Counter(map(source_of, plan(epoch, shares={"a": 1.0, "b": 3.0}))) == {0: 3, 1: 9}
        assert Counter(map(source_of, plan(epoch, shares={"a": 1.0, "b": 1.0, "c": 1.0}, steps=10))) == {
            0: 4,
            1: 3,
            2: 3,
        }
    by_size = Counter(map(source_of, plan(shares={}, steps=108)))
    captions = [sum(len(CAPTIONS[i]) for i in np.flatnonzero(one == SOURCES)) for one in range(3)]
    assert [by_size[one] for one in range(3)] == pytest.approx([108 * c / sum(captions) for c in captions], abs=1)


@pytest.mark.parametrize("source", [0, 1, 2])
@pytest.mark.parametrize("look_alikes", [False, True])
def test_every_picture_is_met_before_any_comes_again(source: int, look_alikes: bool) -> None:
    n = len(CAPTIONS)
    near = np.array([[(i + k) % n for k in range(1, 8)] for i in range(n)])
    steps = walk(source, 20, neighbours=near if look_alikes else None)
    pictures = set(np.flatnonzero(source == SOURCES).tolist())
    left = len(pictures) % 4 == 1 if look_alikes else 0  # a lonely picture at the end of a round makes no step
    rounds, seen = 0, set[int]()
    orders = []
    for images in steps:
        if len(seen) == len(pictures) - left:
            rounds, seen = rounds + 1, set()
        assert not seen & set(images), "met again too early"
        orders.append(tuple(images))
        seen |= set(images)
    assert rounds >= 3
    assert len(set(orders)) >= 5, "always the same company"


def test_every_caption_of_a_picture_comes_before_any_comes_again() -> None:
    shown: dict[int, list[list[int]]] = {}
    for epoch in range(40):
        for step in plan(epoch):
            for row, image in enumerate(step.images):
                own = [caption for caption, at in zip(step.captions, step.caption_image, strict=True) if at == row]
                shown.setdefault(image, []).append(own)
    assert set(shown) == set(range(len(CAPTIONS)))
    for image, each in shown.items():
        count = len(CAPTIONS[image])
        rounds = -(-count // 2)
        assert all(len(own) == len(set(own)) == min(2, count) for own in each)
        walks = [each[start : start + rounds] for start in range(0, len(each) - rounds + 1, rounds)]
        assert len(walks) > 5
        for several in walks:
            assert {caption for own in several for caption in own} == set(CAPTIONS[image])
        assert count < 3 or len({tuple(map(tuple, several)) for several in walks}) > 3


def test_without_shares_and_steps_every_caption_is_shown_once() -> None:
    shown = Counter(
        caption for step in plan(captions=CAPTIONS, shares={}, steps=0, batch_size=5) for caption in step.captions
    )
    assert max(shown.values()) == 1
    missing = set(OWNER) - set(shown)
    assert len({OWNER[caption] for caption in missing}) <= 3 * 3  # at most a lonely picture a pass and source


def test_a_plan_follows_from_seed_and_epoch() -> None:
    assert plan(7, mirror=True) == plan(7, mirror=True)
    plans = [plan(epoch, seed=seed) for seed in (0, 1) for epoch in (0, 1, 2)]
    assert all(one != other for i, one in enumerate(plans) for other in plans[:i])


def test_pictures_without_captions_are_left_out() -> None:
    captions = [[] if image % 2 else its for image, its in enumerate(CAPTIONS)]
    met = {image for epoch in range(9) for step in plan(epoch, captions=captions) for image in step.images}
    assert met == set(range(0, len(CAPTIONS), 2))


def test_a_dropped_tail_leaves_only_full_steps() -> None:
    assert {len(step.images) for epoch in range(9) for step in plan(epoch, drop_tail=True)} == {4}


@given(st.integers(2, 9), st.integers(2, 5), st.integers(1, 7), st.booleans())
@settings(max_examples=60)
def test_small_sources_and_batches(size: int, batch_size: int, count: int, mirror: bool) -> None:
    captions = numbered([2] * size)
    steps = plan_joint_epoch(
        captions,
        sources=np.zeros(size, np.int64),
        source_names=("only",),
        shares={},
        steps=count,
        batch_size=batch_size,
        captions_per_image=1,
        seed=1,
        epoch=3,
        mirror=mirror,
    )
    assert len(steps) == count
    assert all(2 <= len(set(step.images)) == len(step.images) <= batch_size for step in steps)


def test_impossible_shares_are_refused() -> None:
    with pytest.raises(ConfigError, match="names 'd', which is no source; there are a, b, c"):
        plan(shares={"d": 1.0})
    with pytest.raises(ConfigError, match="of 2 steps an epoch source 'c' would have none"):
        plan(shares={"a": 1.0, "b": 1.0, "c": 0.1}, steps=2)
    with pytest.raises(ConfigError, match="gives no source any weight"):
        plan(shares={"a": 0.0})
    with pytest.raises(ConfigError, match="source 'c' has fewer than 8 pictures"):
        plan(batch_size=8, drop_tail=True)
