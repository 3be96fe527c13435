"""Words and vocabularies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.errors import DataError
from crossgraph.words import EMPTY, PADDING, UNKNOWN, Vocabulary, is_phrase, tokenize


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("A dog's ball, at 5 o'clock!", ["a", "dog's", "ball", "at", "5", "o'clock"]),
        ("The dogs' T-shirt_on", ["the", "dogs", "t", "shirt", "on"]),
        ("Café  Über\tЛес 犬 3d", ["café", "über", "лес", "犬", "3d"]),
        ("it’s", ["it's"]),
        ("Cafe\N{COMBINING ACUTE ACCENT}", ["café"]),
        ("broken \ud800 text", ["broken", "text"]),
        ("", [EMPTY]),
        (" ...!? '_", [EMPTY]),
    ],
)
def test_a_sentence_becomes_lower_case_words(sentence: str, words: list[str]) -> None:
    assert tokenize(sentence) == words


@given(st.text())
def test_every_text_has_at_least_one_word_and_words_hold_no_white_space(text: str) -> None:
    words = tokenize(text)
    assert words
    assert all(word and not any(letter.isspace() for letter in word) for word in words)


def test_ids_go_by_frequency_then_alphabet_after_padding_and_unknown() -> None:
    vocabulary = Vocabulary.build(["a dog runs", "a cat", "a cat sleeps"])
    assert vocabulary.words == ("a", "cat", "dog", "runs", "sleeps")
    assert len(vocabulary) == 7
    assert vocabulary.ids(["a", "zebra", "sleeps"]) == [2, UNKNOWN, 6]
    assert PADDING not in vocabulary.ids(["a", "cat", "dog", "runs", "sleeps", "other"])


def test_rare_words_are_left_out() -> None:
    assert Vocabulary.build(["a dog", "a cat"], min_count=2).words == ("a",)


def test_the_order_of_captions_does_not_matter() -> None:
    captions = ["a red ball", "two dogs", "a dog and a ball"]
    assert Vocabulary.build(captions) == Vocabulary.build(captions[::-1])


def test_a_word_listed_twice_is_refused() -> None:
    with pytest.raises(DataError, match="the vocabulary lists 'dog' twice"):
        Vocabulary(("dog", "cat", "dog"))


@pytest.mark.parametrize(
    ("sentence", "phrase"),
    [
        ("dog", True),
        ("a big brown dog", True),
        ("the dog, an apple", True),
        ("two dogs on grass", False),
        ("a dog runs on the grass", False),
        ("红色的球", True),
        ("一只狗在海滩上", False),
        ("หมาบนชายหาดสีขาว", False),
        ("", True),
    ],
)
def test_a_phrase_has_three_words_at_most_besides_articles(sentence: str, phrase: bool) -> None:
    assert is_phrase(sentence) is phrase
