"""Every caption once an epoch, every picture once a step, the same plan from the same seed."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.data.batches import Step, cropped, plan_epoch, turned

Captions = list[list[int]]


def numbered(counts: list[int]) -> Captions:
    """Captions 0, 1, 2, ... dealt out to pictures, so many to each."""
    starts = np.cumsum([0, *counts]).tolist()
    return [list(range(start, start + count)) for start, count in zip(starts, counts, strict=False)]


def plan(captions: Captions, **changes: object) -> list[Step]:
    settings: dict[str, object] = {"batch_size": 4, "captions_per_image": 2, "seed": 0, "epoch": 0}
    return plan_epoch(captions, **{**settings, **changes})  # type: ignore[arg-type]


def shown(steps: list[Step]) -> Counter[int]:
    return Counter(caption for step in steps for caption in step.captions)


def test_two_captions_a_picture_and_four_pictures_a_step_by_hand() -> None:
    steps = plan(numbered([3] * 4))
    assert sorted(len(step.captions) for step in steps) == [4, 8]
    assert all(sorted(step.images) == [0, 1, 2, 3] for step in steps)
    assert shown(steps) == Counter(range(12))


def test_a_dropped_tail_leaves_only_full_steps() -> None:
    captions = numbered([2] * 10)
    assert sorted(len(step.images) for step in plan(captions)) == [2, 4, 4]
    assert [len(step.images) for step in plan(captions, drop_tail=True)] == [4, 4]
    assert plan(numbered([2] * 3), drop_tail=True) == []


counts = st.lists(st.integers(0, 6), max_size=15)


@given(
    counts,
    st.integers(2, 5),
    st.integers(1, 4),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 1, 3]),
)
def test_what_every_plan_keeps(
    counts: list[int],
    batch_size: int,
    captions_per_image: int,
    epoch: int,
    look_alikes: bool,
    mirror: bool,
    group_size: int | None,
) -> None:
    captions, n = numbered(counts), len(counts)
    near = np.array([[(i + k) % n for k in range(1, min(4, n))] for i in range(n)], dtype=np.int64).reshape(
        n, max(0, min(3, n - 1))
    )
    steps = plan_epoch(
        captions,
        batch_size=batch_size,
        captions_per_image=captions_per_image,
        seed=3,
        epoch=epoch,
        neighbours=near if look_alikes else None,
        group_size=group_size,
        mirror=mirror,
    )
    owner = {caption: image for image, its in enumerate(captions) for caption in its}
    for step in steps:
        assert 2 <= len(step.images) <= batch_size
        assert len(set(step.images)) == len(step.images) == len(step.mirrored)
        assert [step.images[row] for row in step.caption_image] == [owner[caption] for caption in step.captions]
        assert set(step.caption_image) == set(range(len(step.images)))
        assert max(Counter(step.caption_image).values()) <= captions_per_image
        assert mirror or not any(step.mirrored)
    assert all(times == 1 for times in shown(steps).values())
    # What is missing was alone at the end of a pass: at most one picture of each pass.
    missing = Counter(owner[caption] for caption in owner if caption not in shown(steps))
    passes = -(-max(counts, default=0) // captions_per_image)
    lonely = sum(
        sum(count > start for count in counts) % batch_size == 1
        for start in range(0, passes * captions_per_image, captions_per_image)
    )
    assert sum(-(-times // captions_per_image) for times in missing.values()) <= lonely
    assert bool(missing) == bool(lonely)


def test_equal_seeds_and_epochs_plan_alike_and_others_differ() -> None:
    captions = numbered([3] * 20)
    assert plan(captions, mirror=True) == plan(captions, mirror=True)
    plans = [plan(captions, seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(one != other for i, one in enumerate(plans) for other in plans[:i])


def test_the_number_of_steps_is_the_same_in_every_epoch() -> None:
    captions = numbered([0, 1, 7, 2, 5, 5, 3, 0, 4])
    assert len({len(plan(captions, epoch=epoch)) for epoch in range(8)}) == 1


def test_the_epochs_pair_other_captions_of_a_picture() -> None:
    captions = numbered([4] * 4)
    pairs = {
        frozenset(caption for caption in step.captions if caption < 4)
        for epoch in range(10)
        for step in plan(captions, epoch=epoch)
    }
    assert len(pairs) > 2


@pytest.mark.parametrize("counts", [[], [0, 0], [5], [0, 3, 0]])
def test_without_two_captioned_pictures_there_is_no_step(counts: list[int]) -> None:
    assert plan(numbered(counts)) == []


def test_a_step_is_made_of_look_alikes_while_they_last() -> None:
    # two families of five that list each other only
    near = np.array([[j for j in range(10) if j // 5 == i // 5 and j != i] for i in range(10)])
    steps = plan(numbered([1] * 10), batch_size=5, neighbours=near)
    assert sorted(sorted(step.images) for step in steps) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_a_step_may_hold_several_groups_of_look_alikes() -> None:
    near = np.array([[j for j in range(12) if j // 3 == i // 3 and j != i] for i in range(12)])
    for epoch in range(3):
        steps = plan(numbered([1] * 12), batch_size=6, neighbours=near, group_size=3, epoch=epoch)
        assert [len(step.images) for step in steps] == [6, 6]
        assert shown(steps) == Counter(range(12))
        for step in steps:
            assert all(size == 3 for size in Counter(image // 3 for image in step.images).values())


def test_groups_meet_others_from_epoch_to_epoch() -> None:
    near = np.array([[i ^ 1] for i in range(20)])
    met = {
        frozenset(image // 2 for image in step.images)
        for epoch in range(6)
        for step in plan(numbered([1] * 20), neighbours=near, group_size=2, epoch=epoch)
    }
    assert len(met) > 10
    assert {len(groups) for groups in met} == {2}


def test_look_alikes_are_picked_at_random_among_those_listed() -> None:
    near = np.array([[j for j in range(12) if j != i] for i in range(12)])
    together = {
        frozenset(step.images)
        for epoch in range(5)
        for step in plan(numbered([1] * 12), batch_size=3, neighbours=near, epoch=epoch)
    }
    assert len(together) > 10


def test_short_lists_of_look_alikes_are_filled_up() -> None:
    near = np.array([[1], [0], [0], [0], [0], [0]])
    steps = plan(numbered([1] * 6), batch_size=3, neighbours=near)
    assert [len(step.images) for step in steps] == [3, 3]
    assert shown(steps) == Counter(range(6))


def test_about_half_of_the_pictures_are_mirrored() -> None:
    steps = plan(numbered([1] * 400), mirror=True)
    flips = [flip for step in steps for flip in step.mirrored]
    assert 150 < sum(flips) < 250


def test_crops_are_a_function_of_seed_and_epoch_and_change_nothing_else() -> None:
    steps = plan_epoch([[0, 1]] * 9, batch_size=3, captions_per_image=1, seed=4, epoch=2)
    once, again = (cropped(steps, (5, 7), seed=4, epoch=2) for _ in range(2))
    assert once == again
    assert once != cropped(steps, (5, 7), seed=4, epoch=3)
    assert [replace(step, crop=None) for step in once] == steps
    crops = [step.crop for step in once if step.crop is not None]
    assert len(crops) == len(steps)
    assert {crop.side for crop in crops} == {5, 7}
    assert all(0 <= share < 1 for crop in crops for share in (crop.top, crop.left))


def test_pictures_that_may_turn_are_turned_by_seed_and_epoch() -> None:
    steps = plan_epoch([[0, 1]] * 40, batch_size=4, captions_per_image=1, seed=4, epoch=2)
    may_turn = np.arange(40) < 30
    once, again = (turned(steps, may_turn, seed=4, epoch=2) for _ in range(2))
    assert once == again
    assert once != turned(steps, may_turn, seed=4, epoch=3)
    assert [replace(step, turns=()) for step in once] == steps
    shown = [(image, turn) for step in once for image, turn in zip(step.images, step.turns, strict=True)]
    assert {turn for image, turn in shown if image >= 30} == {0}
    counts = np.bincount([turn for image, turn in shown if image < 30])
    assert len(counts) == 4
    assert counts.min() >= 5
