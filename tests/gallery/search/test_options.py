"""One set of search options: what it means, and how it refuses."""

import json

import pytest

from crossgraph.errors import ConfigError
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.stages.modes import MODES, Mode


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"k": 0}, r"k must be at least 1, got 0\."),
        ({"offset": -1}, r"offset must be at least 0, got -1\."),
        ({"candidates": -1}, r"candidates must be at least 0, got -1\."),
        ({"shortlist": -3}, r"shortlist must be at least 1, got -3\."),
        ({"mode": "fst"}, r"unknown mode 'fst'\. Did you mean 'fast'\?"),
        ({"sort": "nme"}, r"unknown sort 'nme'\. Did you mean 'name'\? Known: date, name, score\."),
        ({"target": "image"}, r"unknown target 'image'\. Did you mean 'images'\?"),
        ({"ofset": 3}, r"unknown search option 'ofset'\. Did you mean 'offset'\?"),
        ({"k": "many"}, r"k: input should be a valid integer.*, got 'many'\."),
        ({"k": 0, "offset": -1}, r"k must be .* offset must be "),
        (["k", 5], r"the options: input should be a valid dictionary"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(values: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SearchOptions.model_validate(values)
    if isinstance(values, dict):
        with pytest.raises(ConfigError, match=said):
            SearchOptions(**values)
    with pytest.raises(ConfigError, match=said):
        SearchOptions.model_validate_json(json.dumps(values))


def test_every_option_is_described() -> None:
    assert all(field.description for field in SearchOptions.model_fields.values())
    assert SearchOptions.model_json_schema()["properties"]["mode"]["enum"] == list(MODES)


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_is_its_numbers_unless_others_are_given(mode: str) -> None:
    assert SearchOptions(mode=mode).work == MODES[mode]
    assert SearchOptions(mode=mode, candidates=0, shortlist=7).work == Mode(candidates=0, shortlist=7)
    assert SearchOptions(mode=mode, shortlist=7, rerank=False).work.shortlist is None


def test_options_say_why_they_do_not_re_rank() -> None:
    assert SearchOptions().off == ""
    assert SearchOptions(mode="fast").off == "mode fast does not re-rank"
    assert SearchOptions(mode="fast", shortlist=5).off == ""
    assert SearchOptions(rerank=False).off == "re-ranking was turned off"


def test_options_survive_json() -> None:
    options = SearchOptions(k=3, mode="fast", where="width > 3", sort="date", target="captions", fold=True)
    assert SearchOptions.model_validate_json(options.model_dump_json()) == options
