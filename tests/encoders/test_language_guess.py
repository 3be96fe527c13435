"""Which language a sentence is in: by its script, else by words and their letters."""

from __future__ import annotations

import numpy as np
import pytest

from crossgraph.encoders.language_guess import LanguageGuess

CAPTIONS = {
    "en": ["a dog runs on the beach", "the children are playing with a red ball", "a girl with a blue shirt"],
    "de": ["ein Hund rennt am Strand", "die Kinder spielen mit einem roten Ball", "ein Mädchen mit blauem Hemd"],
    "zh": ["一只狗在沙滩上奔跑", "孩子们在玩红色的球"],
    "ru": ["собака бежит по пляжу"],
}
GUESS = LanguageGuess.fitted(CAPTIONS, english_words=["kitchen", "strand"])


@pytest.mark.parametrize("language", CAPTIONS)
def test_captions_are_in_the_language_they_were_counted_in(language: str) -> None:
    assert {GUESS(caption) for caption in CAPTIONS[language]} == {language}


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        ("Hund", "de"),
        ("dog", "en"),
        ("KINDER AM STRAND", "de"),
        ("red ball", "en"),
        ("Mädchenhemd", "de"),  # never seen whole
        ("kitchen", "en"),
        ("狗", "zh"),
        ("穿T恤的人", "zh"),
        ("a shirt that says 狗", "en"),
        ("собака", "ru"),
        ("σκύλος", "en"),  # a script that nobody taught
        ("", "en"),
        ("123 ?!", "en"),
        ("qqq xyzzy", "en"),
    ],
)
def test_few_words_are_enough(sentence: str, language: str) -> None:
    assert GUESS(sentence) == language


def test_how_letters_are_composed_does_not_matter() -> None:
    assert GUESS("ma\u0308dchen") == GUESS("m\u00e4dchen") == "de"


def test_english_comes_first_whatever_the_order_and_words_of_another_language_are_not_added() -> None:
    turned = LanguageGuess.fitted(dict(reversed(CAPTIONS.items())), english_words=["kitchen", "strand"])
    assert turned.languages[0] == GUESS.languages[0] == "en"
    assert np.array_equal(turned.weights[0], GUESS.weights[0])
    assert np.array_equal(LanguageGuess.fitted(CAPTIONS, english_words=["kitchen"]).weights[0], GUESS.weights[0])
    assert GUESS("strand") == "de"


def test_scripts_are_those_of_the_captions() -> None:
    assert dict(zip(GUESS.languages, GUESS.scripts, strict=True)) == {
        "en": ("Latin",),
        "de": ("Latin",),
        "zh": ("Chinese",),
        "ru": ("Cyrillic",),
    }


def test_a_word_of_both_languages_is_english_as_long_as_no_other_word_is_not() -> None:
    both = LanguageGuess.fitted(
        {
            "en": ["a dog on a sofa", "tennis on the sofa"],
            "de": ["ein Hund auf dem Sofa", "Tennis auf dem Sofa am Sofa"],
        }
    )
    assert [both(said) for said in ("sofa", "Tennis", "tennis sofa")] == ["en"] * 3
    assert [both(said) for said in ("ein Sofa", "Hund", "auf dem Sofa")] == ["de"] * 3
    often = LanguageGuess.fitted({"en": ["some kind of dog"], "de": ["ein Kind"] * 50 + ["Kind"] * 50})
    assert often("Kind") == "de", "a word that German says far more often"
