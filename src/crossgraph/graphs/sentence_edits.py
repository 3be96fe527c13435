"""Exchanging phrases of a sentence: where the phrase of a thing begins; a/an, capitals and verbs put right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from crossgraph.graphs.lexicon import CLOTHES, GROUPS, NUMBERS, PLURAL_ONLY
from crossgraph.graphs.opposites import third_person
from crossgraph.graphs.predicates import PREPOSITIONS
from crossgraph.graphs.scene_graph import GraphObject, Relation, Span

Change = tuple[Span, str]
"""Characters of a sentence and what stands there instead."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _words(
    "a an the his her their its my your our this that these those some several many few all both another each every "
    "multiple various"
)
_ADVERBS = _words("very really extremely light dark bright pale deep")
_BEFORE_A_PHRASE = _words(
    "and or but is are was were with without in on at of by from into onto over under through to for behind beside "
    "near inside outside against across along around between toward towards while as see sees show shows"
) | {way.rsplit(" ", 1)[-1] for way in PREPOSITIONS}
_DETERMINED = re.compile(
    rf"(?:\b(?:{'|'.join(sorted(_DETERMINERS | set(NUMBERS)))}|(?:{'|'.join(GROUPS)}) of)\s+)+$",
    re.IGNORECASE,
)
_ADVERB = re.compile(rf"\b(?:{'|'.join(sorted(_ADVERBS))}|\w+ly)\s+$", re.IGNORECASE)
_GAP = re.compile(r"\s+|\s*,\s*(?:and\s+)?|\s+and\s+|-")
_ARTICLE = re.compile(r"\b(an?)\s+$", re.IGNORECASE)
_LIKE_A_CONSONANT = re.compile(r"(?:uni(?!n|m)|use|usu|eu|one\b|once|ukulele|u-)", re.IGNORECASE)
_LIKE_A_VOWEL = re.compile(r"(?:hour|honest|honou?r|heir)", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_AGREEING = {"is": "are", "was": "were", "has": "have"}
_SINGULAR = {plural: singular for singular, plural in _AGREEING.items()}
_IRREGULAR_PLURALS: Mapping[str, str] = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "foot": "feet",
    "goose": "geese",
    "mouse": "mice",
    "leaf": "leaves",
    "wolf": "wolves",
    "knife": "knives",
    "scarf": "scarves",
    "fish": "fish",
    "sheep": "sheep",
    "deer": "deer",
}


def says(sentence: str, span: Span | None) -> bool:
    """Whether the span is of at least one character of this sentence."""
    return span is not None and 0 <= span[0] < span[1] <= len(sentence)


def text_of(sentence: str, span: Span | None) -> str:
    """The characters of a span in lower case; none if it is not of this sentence."""
    return sentence[span[0] : span[1]].lower() if span is not None and says(sentence, span) else ""


def phrase_start(sentence: str, thing: GraphObject) -> int:
    """Where the phrase of a thing begins: its noun with the properties right before it, without article or number.

    Properties may be parted by a comma or "and"; "very" and "light" belong to the property they precede.
    """
    start = thing.span[0] if thing.span else 0
    spans = [one.span for one in thing.attributes if one.span is not None and says(sentence, one.span)]
    for span in sorted(spans, key=lambda one: -one[1]):
        if span[1] <= start and _GAP.fullmatch(sentence, span[1], start):
            start = span[0]
            if adverb := _ADVERB.search(sentence[:start]):
                start = adverb.start()
    return start


def determined_start(sentence: str, start: int) -> int:
    """Where the articles, numbers and "group of" before a phrase begin; `start` itself if there are none."""
    found = _DETERMINED.search(sentence[:start])
    return found.start() if found else start


def begins_phrase(sentence: str, start: int) -> bool:
    """Whether a phrase without article is whole from `start` on, as after a preposition or at the beginning."""
    before = sentence[:start].rstrip()
    return not before or not before[-1].isalnum() or before.lower().split()[-1] in _BEFORE_A_PHRASE


def rewritten(sentence: str, changes: Iterable[Change]) -> str | None:
    """The sentence with its changes made; None if they overlap.

    "a" or "an" before a changed place fits what follows it now. A capital at the beginning stays at the beginning.
    """
    pieces, end, seams = "", 0, []
    for (start, stop), text in sorted(changes):
        if start < end:
            return None
        pieces += sentence[end:start]
        seams.append(len(pieces))
        pieces += text
        end = stop
    whole = pieces + sentence[end:]
    for seam in reversed(seams):
        article = _ARTICLE.search(whole[:seam])
        if article and _LETTER.match(whole, seam):
            right = "an" if _sounds_like_a_vowel(whole[seam:]) else "a"
            right = right.capitalize() if article[1][0].isupper() else right
            whole = f"{whole[: article.start(1)]}{right}{whole[article.end(1) :]}"
    first = _LETTER.search(sentence)
    if first and first.group().isupper() and (letter := _LETTER.search(whole)):
        whole = f"{whole[: letter.start()]}{letter.group().upper()}{whole[letter.end() :]}"
    return whole


def moved(sentence: str, span: Span) -> str:
    """The text of a phrase as it is written elsewhere: the capital of a sentence's first word is left behind."""
    text = sentence[span[0] : span[1]]
    first = _LETTER.search(sentence)
    if first and first.start() == span[0] and not text[1:2].isupper():
        return text[:1].lower() + text[1:]
    return text


def _sounds_like_a_vowel(text: str) -> bool:
    if _LIKE_A_VOWEL.match(text):
        return True
    return text[:1].lower() in "aeiou" and not _LIKE_A_CONSONANT.match(text)


def is_plural(sentence: str, thing: GraphObject) -> bool:
    """Whether a sentence speaks of the thing in the plural."""
    if thing.count is not None:
        return thing.count != 1
    return thing.name in PLURAL_ONLY or text_of(sentence, thing.span) not in ("", thing.name)


def numbered(name: str, *, plural: bool) -> str:
    """A name in the plural or, as it is, in the singular; "man" gives "men", "fir tree" "fir trees"."""
    first, _, last = name.rpartition(" ")
    if not plural or last in PLURAL_ONLY or (last in CLOTHES and last.endswith("s") and not last.endswith("ss")):
        return name
    many = _IRREGULAR_PLURALS.get(last)
    if many is None:
        many = last[:-1] + "ies" if re.search(r"[^aeiou]y$", last) else last + ("es" if _hisses(last) else "s")
    return f"{first} {many}".strip()


def _hisses(word: str) -> bool:
    return word.endswith(("s", "x", "z", "ch", "sh"))


def verb_agreeing(sentence: str, noun_end: int, relations: Sequence[Relation], *, plural: bool) -> list[Change]:
    """The change that makes the verb right after a subject that ends at `noun_end` fit one or many; often none."""
    word = re.compile(r"\s+([a-z]+)\b", re.IGNORECASE).match(sentence, noun_end)
    if word is None:
        return []
    verb, wrong = word[1].lower(), _SINGULAR if not plural else _AGREEING
    if verb in wrong:
        return [(word.span(1), wrong[verb])]
    names = {one.predicate.split(" ", 1)[0] for one in relations if one.span and one.span[0] == word.start(1)}
    for name in sorted(names):
        if plural and verb == third_person(name):
            return [(word.span(1), name)]
        if not plural and verb == name and _is_verb(name):
            return [(word.span(1), third_person(name))]
    return []


def _is_verb(name: str) -> bool:
    return name not in PREPOSITIONS and name not in _BEFORE_A_PHRASE


def opening_agreeing(sentence: str, start: int, *, plural: bool) -> list[Change]:
    """The change that makes "there is" right before a phrase that starts at `start` fit one or many; often none."""
    found = re.search(r"\bthere (is|are|was|were)\s+$", sentence[:start], re.IGNORECASE)
    wrong = _AGREEING if plural else _SINGULAR
    return [(found.span(1), wrong[found[1].lower()])] if found and found[1].lower() in wrong else []
