"""Planes are learned of as many pictures and captions as were asked for, not of the captions of drawn pictures."""

import pytest

from crossgraph.data.corpus import Corpus
from crossgraph.data.sources import open_corpus
from crossgraph.gallery.stages.cascade_model import at_most


@pytest.fixture(scope="module")
def scenes() -> Corpus:
    return open_corpus("scenes:40")


def test_so_many_pictures_and_captions_are_drawn(scenes: Corpus) -> None:
    assert len(scenes.captions) > 2 * len(scenes)
    images, captions = at_most(scenes, 30)
    assert len(set(images)) == len(set(captions)) == 30
    assert len(set(scenes.caption_image[captions].tolist())) > 15  # not those of a few pictures
    images, captions = at_most(scenes, 70)
    assert images == list(range(40))  # there are no more
    assert len(set(captions)) == 70
    assert at_most(scenes, 70) == (images, captions)


def test_enough_is_all(scenes: Corpus) -> None:
    assert at_most(scenes, 10_000) == (list(range(40)), list(range(len(scenes.captions))))
