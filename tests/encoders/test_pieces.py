"""Sentences as pieces that know their words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.encoders.pieces import PieceCutter
from crossgraph.errors import ModelError
from crossgraph.words import EMPTY, tokenize

CAPTIONS = [
    "Ein großer Hund rennt durch den Schnee.",
    "Der Schneemann steht im Schnee, ein Mann daneben.",
    "Ein Mann spielt Ball mit dem Hund im Park",
    "Ein Parkwächter hat einen großen Ball",
    "一只狗在雪里奔跑。",
    "一个男人和一只狗在公园里。",
    "男人在玩球。",
] * 3


@pytest.fixture(scope="module")
def cutter() -> PieceCutter:
    return PieceCutter.trained(CAPTIONS, size=90)


def test_words_are_those_of_the_tokenizer(cutter: PieceCutter) -> None:
    for caption in CAPTIONS[:4]:
        pieces, rest = cutter.cut(caption, max_words=40)
        assert list(pieces.words) == tokenize(caption)
        assert rest == ()
        assert pieces.unknown == ()
        assert sorted(set(pieces.word)) == list(range(len(pieces.words)))


def test_the_same_captions_give_the_same_pieces(cutter: PieceCutter) -> None:
    assert all(PieceCutter.trained(CAPTIONS, size=90).text() == cutter.text() for _ in range(3))


def test_a_compound_that_was_never_seen_is_made_of_what_was(cutter: PieceCutter) -> None:
    pieces, _ = cutter.cut("Schneeball", max_words=40)
    assert pieces.words == ("schneeball",)
    assert pieces.unknown == ()
    names = [cutter.tokenizer.id_to_token(number) for number in pieces.ids]
    assert "".join(names) == "schneeball"


def test_each_piece_of_a_text_without_blanks_is_a_word(cutter: PieceCutter) -> None:
    pieces, _ = cutter.cut("一只狗在公园里。", max_words=40)
    assert "".join(pieces.words) == "一只狗在公园里"
    assert len(pieces.words) == len(pieces.ids) > 1
    assert max(map(len, pieces.words)) <= 2
    assert pieces.word == tuple(range(len(pieces.ids)))


def test_words_with_a_character_that_no_piece_has_are_unknown(cutter: PieceCutter) -> None:
    assert cutter.cut("Ein Hund, ein Ωmega", max_words=40)[0].unknown == ("ωmega",)
    assert cutter.cut("一只猫", max_words=40)[0].unknown == ("猫",)


def test_case_and_composition_do_not_matter(cutter: PieceCutter) -> None:
    one, other = (cutter.cut(text, max_words=40)[0] for text in ("PARKWÄCHTER", "parkwa\u0308chter"))
    assert one == other


@given(st.text("aäß 狗在雪T'-?Ω", max_size=30), st.integers(1, 6))
def test_no_more_words_than_asked_for_are_read_and_never_none(cutter: PieceCutter, text: str, max_words: int) -> None:
    pieces, rest = cutter.cut(text, max_words=max_words)
    whole, nothing = cutter.cut(text, max_words=1000)
    assert nothing == ()
    assert 1 <= len(pieces.words) <= max_words
    assert (*pieces.words, *rest) == whole.words
    assert len(pieces.ids) == len(pieces.word) >= len(pieces.words)
    assert whole.words == (EMPTY,) or "".join(whole.words) == "".join(tokenize(text))


def test_what_is_written_is_read(cutter: PieceCutter, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(cutter.text(), encoding="utf-8")
    again = PieceCutter.read(tmp_path / "tokenizer.json")
    assert all(again.cut(text, max_words=9) == cutter.cut(text, max_words=9) for text in CAPTIONS)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be read"):
        PieceCutter.read(tmp_path / "tokenizer.json")
