"""Encoders are loaded once, whoever asks and however many at a time."""

from __future__ import annotations

import threading
import time

import pytest

from crossgraph.encoders.image import ImageEncoder
from crossgraph.errors import ModelError
from crossgraph.training.encoder_pool import EncoderPool
from tests.training.fake_encoder import ColourEncoder


class Loader:
    """Counts how often it is called, and takes its time."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> ImageEncoder:
        self.calls += 1
        time.sleep(0.01)
        return ColourEncoder()


def test_threads_that_ask_at_once_share_one_load() -> None:
    pool, load, found = EncoderPool(), Loader(), list[ImageEncoder]()
    gate = threading.Barrier(8)

    def ask() -> None:
        gate.wait()
        found.append(pool.image_encoder("colours-1", regions=None, load=load))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert load.calls == 1
    assert len(found) == 8
    assert len({id(one) for one in found}) == 1


def test_other_weights_and_other_regions_are_other_encoders() -> None:
    pool, load = EncoderPool(), Loader()
    for fingerprint, regions in (("a", None), ("b", None), ("a", "boxes.jsonl"), ("a", None)):
        pool.image_encoder(fingerprint, regions=regions, load=load)
    assert load.calls == 3


def test_what_could_not_be_loaded_is_tried_again() -> None:
    pool, load = EncoderPool(), Loader()

    def fail() -> ImageEncoder:
        raise ModelError("not here")

    with pytest.raises(ModelError, match="not here"):
        pool.image_encoder("a", regions=None, load=fail)
    assert pool.image_encoder("a", regions=None, load=load) is pool.image_encoder("a", regions=None, load=load)
    assert load.calls == 1
