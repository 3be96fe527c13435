"""The state of the page: its addresses, the chips, and what a sent form means."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from crossgraph.serving.pages.page_state import PageParameters, PageState


def state(**values: object) -> PageState:
    return PageState(PageParameters.model_validate(values))


def said(url: str) -> dict[str, list[str]]:
    """The parameters of an address."""
    return parse_qs(urlsplit(url).query)


def test_an_address_leaves_defaults_out_and_comes_back_as_the_same_state() -> None:
    asked = state(q="two dogs & a cat", term=["-0.5:text:a ball"], facet=["label:dog"], fold=False, k=48, mode="best")
    assert asked.url() == "/?q=two+dogs+%26+a+cat&term=-0.5%3Atext%3Aa+ball&facet=label%3Adog&fold=false"
    found = {name: value if name in ("term", "facet") else value[0] for name, value in said(asked.url()).items()}
    assert PageState(PageParameters.model_validate(found)).url() == asked.url()


def test_another_search_begins_at_its_first_answer_with_nothing_opened() -> None:
    asked = state(q="a dog", offset=96, open="abc", all="label", theme="dark")
    assert said(asked.fresh(mode="fast")) == {"q": ["a dog"], "mode": ["fast"], "theme": ["dark"]}


def test_the_rank_of_the_open_picture_goes_with_it() -> None:
    asked = state(q="a dog", open="abc", at=7)
    assert said(asked.url()) == {"q": ["a dog"], "open": ["abc"], "at": ["7"]}
    assert said(asked.url(open="abd", at=8)) == {"q": ["a dog"], "open": ["abd"], "at": ["8"]}
    for without in (asked.url(open=""), asked.fresh()):
        assert said(without) == {"q": ["a dog"]}
    assert ("at", "7") not in asked.hidden()


def test_the_search_that_is_made_is_that_of_the_address() -> None:
    body = state(q="a dog", term=["2:item:x1"], like=["x2"], sort="name", open="x3").asked.as_body()
    assert (body.q, body.terms[0].written(), body.like, body.sort, body.k) == ("a dog", "2:item:x1", ["x2"], "name", 48)


@pytest.mark.parametrize(
    ("values", "leads"),
    [
        ({"q": "a dog", "was": ""}, {"q": ["a dog"]}),
        (
            {"q": "a dog", "was": "a cat", "like": ["x1"], "facet": ["label:dog"]},
            {"q": ["a dog"], "facet": ["label:dog"]},
        ),
        ({"q": "a dog", "was": "a dog", "like": ["x1"]}, {"q": ["a dog"], "like": ["x1"]}),
        ({"q": "a ball", "was": "a dog", "do": "without"}, {"q": ["a dog"], "term": ["-1:text:a ball"]}),
        ({"q": "a ball", "was": "a dog", "do": "add"}, {"q": ["a dog"], "term": ["1:text:a ball"]}),
        ({"q": "- a ball", "was": "a dog"}, {"q": ["a dog"], "term": ["-1:text:a ball"]}),
        ({"q": "+ a ball", "term": ["1:item:x1"], "was": ""}, {"term": ["1:item:x1", "1:text:a ball"]}),
        ({"q": "- a ball", "was": ""}, {"q": ["- a ball"]}),
        ({"q": "a dog", "was": "a dog", "do": "add"}, {"q": ["a dog"]}),
    ],
)
def test_a_sent_form_leads_to_the_address_of_what_it_means(
    values: dict[str, object], leads: dict[str, list[str]]
) -> None:
    found = state(**values).by_form()
    assert found is not None
    assert said(found) == leads


def test_an_address_that_no_form_sent_stays() -> None:
    assert state(q="- a ball").by_form() is None


def test_a_sentence_alone_has_no_weight_and_may_not_be_taken_away() -> None:
    (chip,) = state(q="a dog").chips()
    assert (chip.label, chip.weights, chip.turned) == ("a dog", (), "")


def test_chips_change_their_term_and_leave_the_others() -> None:
    dog, ball, wide, liked = (
        state(q="a dog", term=["-2:text:a ball"], facet=["note.stars:5"], like=["x1"]).chips()[  # noqa: RUF005
            :2
        ]
        + [
            next(one for one in state(facet=["note.stars:5"]).chips()),
            next(one for one in state(q="a dog", like=["x1"]).chips() if one.kind == "like"),
        ]
    )
    assert said(dog.weights[2].href) == {
        "term": ["2:text:a dog", "-2:text:a ball"],
        "facet": ["note.stars:5"],
        "like": ["x1"],
    }
    assert (ball.minus, ball.weight) == (True, "×2")
    assert said(ball.turned)["term"] == ["2:text:a ball"]
    assert said(ball.without) == {"q": ["a dog"], "facet": ["note.stars:5"], "like": ["x1"]}
    assert (wide.label, said(wide.without)) == ("stars: 5", {})
    assert said(liked.without) == {"q": ["a dog"]}


@pytest.mark.parametrize(
    "one",
    [
        state(q="dog", term=["0.00001:text:ball"]),
        state(q="x" * 2_000, term=["1:text:ball"]),
        state(term=["0.000001:text:" + "x" * 2_000, "-100:text:ball"]),
    ],
)
def test_every_link_of_a_chip_can_be_read(one: PageState) -> None:
    links = [link for chip in one.chips() for link in (chip.without, chip.turned, *(to.href for to in chip.weights))]
    assert len(links) == 10
    for link in links:
        given = said(link)
        asked = PageParameters(q=given.get("q", [None])[0], term=given.get("term", []))
        assert asked.as_body().every_term()


def test_the_last_sentence_that_is_left_stands_in_the_box() -> None:
    _, other = state(q="a dog", term=["1:text:a cat"]).chips()
    first, _ = state(q="a dog", term=["1:text:a cat"]).chips()
    assert said(first.without) == {"q": ["a cat"]}
    assert said(other.without) == {"q": ["a dog"]}
