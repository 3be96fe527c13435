"""Loading a model is quiet and leaves a user's own settings of transformers as they were, in every thread."""

import threading
from collections.abc import Iterator

import pytest
from transformers.utils import logging

from crossgraph.encoders.pretrained import load_piece, quiet_transformers
from crossgraph.errors import ModelError


@pytest.fixture(params=[logging.WARNING, logging.DEBUG])
def verbosity(request: pytest.FixtureRequest) -> Iterator[int]:
    """What the user set."""
    before = logging.get_verbosity()
    logging.set_verbosity(request.param)
    yield request.param
    logging.set_verbosity(before)


def settings() -> tuple[int, bool]:
    return logging.get_verbosity(), logging.is_progress_bar_enabled()


def test_loading_is_quiet_and_what_the_user_set_comes_back(verbosity: int) -> None:
    seen: list[tuple[int, bool]] = []

    def fail() -> None:
        seen.append(settings())
        raise OSError("no such file")

    with pytest.raises(ModelError, match="no such file"):
        load_piece(fail, name="model")
    assert seen == [(logging.ERROR, False)]
    assert settings() == (verbosity, True)


def test_two_loads_at_once_leave_no_silence_behind(verbosity: int) -> None:
    entered, release = threading.Event(), threading.Event()

    def load() -> None:
        with quiet_transformers():
            entered.set()
            assert release.wait(30)

    other = threading.Thread(target=load)
    with quiet_transformers():
        other.start()
        assert not entered.wait(0.2)
    assert entered.wait(30)
    release.set()
    other.join()
    assert settings() == (verbosity, True)
