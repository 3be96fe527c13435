"""Identifiers: safe in a URL, different for different names, never a way to a path."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.errors import ConfigError
from crossgraph.reporting.identifiers import identifier, with_identifier


@dataclass(frozen=True)
class Named:
    """A thing with an identifier."""

    id: str


@given(st.text(max_size=80))
def test_an_identifier_is_made_of_plain_letters_alone(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", identifier(name))


@given(st.lists(st.text(alphabet="aA/.-_ 0é", max_size=6), unique=True, max_size=30))
def test_different_names_have_different_identifiers(names: list[str]) -> None:
    assert len({identifier(name) for name in names}) == len(names)


def test_a_plain_name_cannot_pass_for_another_ones_identifier() -> None:
    taken = identifier("default/dense")
    assert taken != "default/dense"
    assert identifier(taken) != taken


def test_an_unknown_identifier_is_refused_with_the_nearest_one() -> None:
    known = [Named("dual-0"), Named("kidrr-0")]
    assert with_identifier("dual-0", known, kind="run") is known[0]
    with pytest.raises(ConfigError, match=r"unknown run 'dual-O'\. Did you mean 'dual-0'"):
        with_identifier("dual-O", known, kind="run")
    with pytest.raises(ConfigError, match="there is none here"):
        with_identifier("../dual-0", [], kind="run")
