from pathlib import Path

import pytest

from crossgraph.errors import ConfigError
from crossgraph.gallery.search.query import ImageQuery, ItemQuery, SumQuery, Term, TextQuery, described, parse_query
from crossgraph.gallery.search.query_encoder import asks_phrase

SUM = SumQuery(
    (
        Term(2.0, TextQuery("golden retriever")),
        Term(1.0, ImageQuery(Path("./pool.jpg"))),
        Term(-1.0, TextQuery("fruit")),
    )
)


def test_one_word_is_read_as_an_expression_with_quotes() -> None:
    assert parse_query(['"2:golden retriever" + ./pool.jpg - fruit']) == SUM
    assert parse_query(["2:golden retriever + ./pool.jpg - fruit"]) == SUM


def test_words_of_a_command_line_are_the_terms_themselves() -> None:
    assert parse_query(["2:golden retriever", "+", "./pool.jpg", "-", "fruit"]) == SUM
    assert parse_query(["2:golden", "retriever", "+", "./pool.jpg", "-", "fruit"]) == SUM


@pytest.mark.parametrize(
    "sentence",
    ["a man in a t-shirt", "10:30 in the morning", 'a sign that says "stop"', "C++ and more", "what is 2:1 ?", '"'],
)
def test_what_joins_nothing_is_a_plain_sentence_to_the_letter(sentence: str) -> None:
    assert parse_query([sentence]) == TextQuery(sentence)


def test_quotes_keep_a_joining_sign_in_its_term() -> None:
    assert parse_query(['"a t - shirt"']) == TextQuery("a t - shirt")
    found = parse_query(['"a t - shirt" + red'])
    assert found == SumQuery((Term(1.0, TextQuery("a t - shirt")), Term(1.0, TextQuery("red"))))


def test_pictures_and_items_are_told_by_how_they_begin() -> None:
    assert parse_query(["./a b.jpg"]) == ImageQuery(Path("./a b.jpg"))
    assert parse_query(["image:c.png"]) == ImageQuery(Path("c.png"))
    assert parse_query(["item:0123abcd"]) == ItemQuery("0123abcd")
    found = parse_query(["item:0123abcd", "-", "0.5:/tmp/x.png"])
    assert found == SumQuery((Term(1.0, ItemQuery("0123abcd")), Term(-0.5, ImageQuery(Path("/tmp/x.png")))))


def test_a_sum_is_described_as_it_can_be_written_again() -> None:
    kind, text = described(SUM)
    assert (kind, text) == ("sum", '"2:golden retriever" + image:pool.jpg - fruit')
    assert parse_query([text]) == SUM
    light = SumQuery((Term(1.0, TextQuery("a")), Term(-1e-5, TextQuery("b c"))))
    assert parse_query([described(light)[1]]) == light


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "+"], "missing before 'the end'"),
        (["a + + b"], "missing before '\\+'"),
        (["- fruit"], "minus terms alone"),
        (["0:a", "+", "b"], "weight of '0:a' must be above 0"),
        (["1e-100:a", "+", "b"], "from 0.000001 to 1000000 in size, other than 0; got 1e-100"),
        (["a", "-", "0.0000001:b"], "got -1e-07"),
        (["1e99:a", "+", "b"], "got 1e\\+99"),
        ([" "], ""),
    ],
)
def test_a_sum_written_wrongly_is_refused(words: list[str], message: str) -> None:
    if not message:
        assert parse_query(words) == TextQuery(" ")  # an empty sentence is refused by the search itself
        return
    with pytest.raises(ConfigError, match=message):
        parse_query(words)


def test_a_sum_that_cannot_be_weighed_is_refused() -> None:
    with pytest.raises(ConfigError, match="other than 0"):
        SumQuery((Term(1.0, TextQuery("a")), Term(float("nan"), TextQuery("b"))))


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        (["a red ball"], True),
        (["red", "+", "ball", "-", "a lawn behind a large white house"], True),
        (["a red ball on a lawn"], False),
        (["two dogs", "+", "a red ball"], False),
        (["ball", "+", "./pool.jpg"], False),
        (["./pool.jpg"], False),
    ],
)
def test_what_is_to_be_there_makes_a_query_a_phrase(words: list[str], phrase: bool) -> None:
    assert asks_phrase(parse_query(words)) is phrase
