"""What encoders say of a text: words they do not know, where they stop, and writing they were not shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.encoders.transformer_text import TransformerTextEncoder
from crossgraph.encoders.understanding import read_text, script_shares, scripts_of
from crossgraph.encoders.vocabulary_text import VocabularyTextEncoder
from crossgraph.words import EMPTY, Vocabulary

LATIN = {"Latin": 1.0}
WORDS = VocabularyTextEncoder(Vocabulary(("a", "red", "ball", "dog")), max_words=6)


@pytest.fixture(scope="module")
def minilm() -> TransformerTextEncoder:
    return TransformerTextEncoder(max_words=6)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a red ball", ()),
        ("A Red BALL!", ()),
        ("a zebra and a zebra", ("zebra", "and")),
        ("红色的球", ("红色的球",)),
        ("красный мяч", ("красный", "мяч")),
        ("red 🔴", ("🔴",)),
        ("???", ()),
    ],
)
def test_a_vocabulary_names_the_words_it_lacks(text: str, unknown: tuple[str, ...]) -> None:
    assert WORDS.understanding(text).unknown == unknown


@given(st.text("ab rdoglle'-?🔴球", max_size=60))
def test_what_is_said_of_words_is_what_encoding_does(text: str) -> None:
    read, encoded = WORDS.understanding(text), WORDS.encode([text])[0]
    assert encoded.ids is not None
    assert (read.words or (EMPTY,)) == encoded.words
    foreign = {word for word, number in zip(encoded.words, encoded.ids.tolist(), strict=True) if number == 1}
    assert {word for word in read.unknown if word in read.words} == foreign - {EMPTY}
    assert len(read.words) + len(read.left_out) == len(read_text(text, max_words=1000).words)


def test_a_text_is_cut_where_encoding_cuts_it(minilm: TransformerTextEncoder) -> None:
    text = "one two three four five six seven eight"
    for encoder in (WORDS, minilm):
        read = encoder.understanding(text)
        assert read.words == encoder.encode([text])[0].words
        assert read.left_out == ("seven", "eight")
        assert "cut after word 6, 'six'; 2 more are not read, from 'seven' on" in read.notes()[-1]


def test_a_text_is_cut_at_the_limit_of_tokens_too() -> None:
    encoder = TransformerTextEncoder(max_words=1000)
    text = " ".join(["word"] * 600)
    read = encoder.understanding(text)
    assert len(read.words) == len(encoder.encode([text])[0].words) == encoder.limit - 2
    assert len(read.left_out) == 600 - len(read.words)


def test_a_subword_model_lacks_only_characters_it_has_no_token_for(minilm: TransformerTextEncoder) -> None:
    assert minilm.understanding("zyxwvut floccinaucinihilipilification").unknown == ()
    assert minilm.understanding("красный мяч").unknown == ()
    assert minilm.understanding("a 𓀀𓀁 ball 🔴").unknown == ("𓀀𓀁", "🔴")
    assert minilm.understanding("🔴").is_guess
    assert minilm.understanding("").words == ()


def test_nothing_is_said_of_a_text_that_is_understood(minilm: TransformerTextEncoder) -> None:
    for encoder in (WORDS, minilm):
        read = encoder.understanding("a red ball").judged_by(LATIN)
        assert read.notes() == ()
        assert not read.is_guess


def test_notes_say_what_is_not_known_and_what_decides_then() -> None:
    assert WORDS.understanding("dog zebra").notes() == (
        "the model does not know zebra; it goes by the other 1 of 2 words",
    )
    assert WORDS.understanding("zebra lion").notes() == (
        "the model knows none of these words: zebra, lion; what follows is a guess",
    )
    assert WORDS.understanding("?!").notes() == ("there is no word in '?!'; what follows is a guess",)
    assert WORDS.understanding("dog 🐕 🐕 🟢").notes() == (
        "the model does not know 🐕, 🟢; it goes by the other 1 of 3 words and signs",
    )
    many = WORDS.understanding(" ".join(f"word{number}" for number in range(6)) + "🔴🟠🟡🟢🔵")
    assert "🔴, 🟠 and 3 more; what" in many.notes()[0]


def test_notes_are_short_whatever_the_words_are() -> None:
    for text in ("x" * 2_000, "dog " + "x" * 1_996, "?" * 2_000):
        (note,) = WORDS.understanding(text).notes()
        assert "…" in note
        assert len(note) < 120


def test_writing_the_model_was_not_shown_is_named(minilm: TransformerTextEncoder) -> None:
    read = minilm.understanding("красный мяч").judged_by(LATIN)
    assert read.is_guess
    assert read.notes() == (
        "Cyrillic writing: the captions that the model was trained on are in Latin letters; what follows is a guess",
    )
    assert not minilm.understanding("красный ball").judged_by(LATIN).is_guess
    assert minilm.understanding("красный мяч").judged_by({"Latin": 1.0, "Cyrillic": 0.4}).notes() == ()
    assert minilm.understanding("красный мяч").judged_by({"Latin": 1.0, "Cyrillic": 0.001}).is_guess
    assert minilm.understanding("красный мяч").judged_by({}).notes() == ()


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("a red ball", ("Latin",)),
        ("Straße", ("Latin",)),
        ("ﬁsh ２ Ｂ", ("Latin",)),
        ("红色的球", ("Chinese",)),
        ("ねこ カメラ ー 猫 々", ("Japanese", "Chinese")),
        ("빨간 공", ("Korean",)),
        ("σκύλος dog", ("Greek", "Latin")),
        ("كلب", ("Arabic",)),
        ("123 !? 🔴", ()),
    ],
)
def test_scripts_are_those_of_letters(text: str, scripts: tuple[str, ...]) -> None:
    assert scripts_of(text) == scripts


def test_shares_count_captions_not_letters() -> None:
    assert script_shares(["a dog", "собака dog", "a", "12"]) == {"Latin": 0.75, "Cyrillic": 0.25}
    assert script_shares([]) == {}


def test_of_two_models_each_is_believed_where_it_does_not_know() -> None:
    other = VocabularyTextEncoder(Vocabulary(("a", "red", "zebra")), max_words=3)
    both = WORDS.understanding("a dog zebra red").together_with(other.understanding("a dog zebra red"))
    assert both.unknown == ("zebra", "dog")
    assert both.words == ("a", "dog", "zebra")
