"""What a small dependency parser often gets wrong in captions, put right by rules that look at the tree alone.

Captions are fragments ("two dogs running through snow"), which such parsers see little of. Each mend changes the tree
where its pattern is found and is harmless elsewhere; `mend` applies them all, in an order that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from crossgraph.graphs.lexicon import CLOTHES, COLOURS, GROUPS, IMAGES, MOVERS, NUMBERS, PLURAL_ONLY
from crossgraph.graphs.sentence_tree import FRAME, SUBJECTS, Word
from crossgraph.graphs.word_mends import (
    adverbs_of_adjectives_are_adjectives,
    colours_are_adjectives,
    last_of_adjectives,
    nouns_taken_for_others,
    verbs_taken_for_nouns,
)


def mend(words: Sequence[Word]) -> None:
    """Change the tree of a sentence to what was most likely meant."""
    for one in MENDS:
        one(words)


def adjectives_after_a_comma(words: Sequence[Word]) -> None:
    """ "an arrow, tiny and red, with stripes": both describe the arrow."""
    for noun, comma, word, after in zip(words, words[1:], words[2:], words[3:], strict=False):
        is_listed = noun.is_noun and comma.text == "," and word.tag.startswith("JJ") and after.text in ("and", ",")
        describes_more = any(child.is_noun and child is not noun for child in word.children)
        if is_listed and word.dep != "amod" and not describes_more:
            word.hang_on(noun, "amod")


def modifiers_hang_on_their_noun(words: Sequence[Word]) -> None:
    """ "a green fir tree" read as a tree of the kind green-fir: what stands before a noun describes it."""
    for word in reversed(words):
        noun = word.head
        if noun is None or word.dep not in ("amod", "nummod", "det", "advmod", "npadvmod", "compound"):
            continue
        is_before = word.index < noun.index and (word.dep != "compound" or noun.tag.startswith("JJ"))
        if not is_before or (word.dep in ("advmod", "npadvmod") and not word.tag.startswith("JJ")):
            continue
        while noun.head is not None and noun.dep in ("amod", "compound") and noun.index < noun.head.index:
            noun = noun.head
        if noun is not word.head and noun.is_noun:
            word.hang_on(noun, "amod" if word.tag.startswith("JJ") else word.dep)


def prepositions_hold_their_noun(words: Sequence[Word]) -> None:
    """A preposition has an object: the noun or colour that follows it, if the parser tied that to nothing better."""
    for word in words:
        if word.dep == "prt" and word.having("pobj"):
            word.dep, word.tag = "prep", "IN"
        if not word.is_preposition or word.having("pobj", "pcomp", "prep"):
            continue
        after = [child for child in word.children if child.index > word.index]
        nouns = [child for child in after if child.is_noun or child.text in COLOURS]
        if nouns:
            nouns[0].dep = "pobj"


def subjects_after_their_verb(words: Sequence[Word]) -> None:
    """ "on the wall sits a cat": who does it comes last."""
    for word in words:
        if word.lemma not in ("sit", "stand", "lie", "hang") or not word.is_verb or word.having(*SUBJECTS):
            continue
        fronted = any(child.is_preposition and child.index < word.index for child in word.children)
        for noun in word.having("dobj") if fronted else []:
            noun.dep = "nsubj"


def lists_hold_their_like(words: Sequence[Word]) -> None:
    """ "a man in shorts and a shirt" read as (a man) and (a shirt); "a girl in a dress and a boy" as dress and boy."""
    for word in words:
        first = word.head
        if word.dep != "conj" or not word.is_noun or first is None or not first.is_noun:
            continue
        between = words[first.index + 1 : word.index]
        joints = [other.head for other in between if other.tag == "CC" and other.head is not None]
        worn = [other for other in between if other.lemma in CLOTHES and other.dep in ("pobj", "dobj")]
        wearer = first.head.head if first.dep == "pobj" and first.head is not None else None
        if word.lemma in CLOTHES and first.is_alive and worn:
            word.hang_on(worn[-1], "conj")
        elif word.is_alive and first.lemma in CLOTHES and wearer is not None and wearer.is_alive:
            word.hang_on(wearer, "conj")
            for later in [child for child in wearer.having("prep", "acl") if child.index > word.index]:
                later.hang_on(word, later.dep)
        elif joints and joints[-1] is not first and joints[-1].is_noun and joints[-1].first_conjunct() is not first:
            word.hang_on(joints[-1], "conj")


def second_clause_has_its_own_subject(words: Sequence[Word]) -> None:
    """ "boys play ball and a girl watches" read as playing with a girl: she is the one who watches."""
    for word in words:
        if word.dep != "conj" or not word.is_noun or not word.is_alive or word.head is None or not word.head.is_noun:
            continue
        after = [other for other in words[word.index + 1 :] if other.is_verb and other not in word.children]
        if not after or word.first_conjunct().dep not in ("dobj", "pobj"):
            continue
        verb = after[0]
        is_finite = verb.tag in ("VBZ", "VBP") or bool(verb.having("aux"))
        joins = any(other.tag == "CC" for other in words[word.index + 1 : verb.index])
        if is_finite and not joins and not verb.having(*SUBJECTS) and verb.dep in ("conj", "ccomp", "ROOT", "advcl"):
            word.hang_on(verb, "nsubj")


def places_follow_their_noun(words: Sequence[Word]) -> None:
    """ "a wall with a car on the left": the noun right before a place is what is there, unless a verb says more."""
    for before, word in pairwise(words):
        is_verbs = word.head is not None and word.head.is_verb and word.head.index < word.index
        if word.is_place and before.is_noun and before.dep != "compound" and not is_verbs:
            word.hang_on(before, "advmod")


def noun_before_lone_verb_is_its_subject(words: Sequence[Word]) -> None:
    """ "dog chasing cat": a noun hangs on the left of a verb that has no subject."""
    for word in words:
        if not word.is_verb or word.having(*SUBJECTS) or word.dep not in ("ROOT", "ccomp", "parataxis"):
            continue
        before = [
            child
            for child in word.children
            if child.is_noun and child.index < word.index and child.dep not in ("pobj", "conj", "dobj", "attr", FRAME)
        ]
        if before:
            before[-1].dep = "nsubj"


def participle_goes_to_who_does_it(words: Sequence[Word]) -> None:
    """ "a man wearing a jacket standing": jackets do not stand, the nearest living being above them does."""
    for word in words:
        noun = word.head
        if word.tag not in ("VBG", "VBZ") or word.dep not in ("acl", "advcl") or noun is None or not noun.is_noun:
            continue
        if noun.first_conjunct().is_alive or noun.is_alive or noun.lemma in GROUPS or word.having(*SUBJECTS):
            continue
        if noun.lemma in MOVERS and not _is_where(noun):
            continue
        owner = _living_owner(noun)
        if owner is not None and owner.index < word.index:
            word.hang_on(owner, "acl")


def _is_where(noun: Word) -> bool:
    """Whether it only says where someone is or goes: "walks into the water carrying a board"."""
    preposition = noun.head
    if preposition is None or not preposition.is_preposition or preposition.head is None:
        return False
    return preposition.head.is_verb or preposition.text in ("in", "on")


def _living_owner(noun: Word) -> Word | None:
    for ancestor in noun.ancestors():
        if ancestor.is_alive:
            return ancestor
        if ancestor.is_verb:
            living = [child for child in ancestor.having("nsubj", "nsubjpass") if child.is_alive]
            if living:
                return living[0]
        if ancestor.is_noun and ancestor.lemma in MOVERS:
            return None
    return None


def groups_are_what_they_hold(words: Sequence[Word]) -> None:
    """ "a group of people", "two of the dogs", "a couple dogs": the people, two dogs, two dogs."""
    for word in words:
        if not (word.lemma in GROUPS or word.text in GROUPS or (word.tag == "CD" and word.text in NUMBERS)):
            continue
        members = [noun for of in word.having("prep") if of.text == "of" for noun in of.having("pobj")]
        members = [noun for noun in members if noun.is_noun]
        if not members:
            continue
        member, of = members[0], members[0].head
        member.count = GROUPS.get(word.lemma, NUMBERS.get(word.text)) if member.count is None else member.count
        if member.text in PLURAL_ONLY and member.text in CLOTHES and word.lemma == "pair":
            member.count = 1
        _take_place(member, word)
        if of is not None:
            of.hang_on(member, FRAME)


def pictures_are_not_in_the_picture(words: Sequence[Word]) -> None:
    """ "a picture of a dog", "this picture shows a dog", "we see a dog": a dog."""
    for word in words:
        if word.lemma not in IMAGES or not word.is_noun:
            continue
        head = word.head
        shows = (
            head is not None and word.dep == "nsubj" and head.lemma in ("show", "depict", "feature", "be", "contain")
        )
        if head is not None and not shows:
            continue
        for of in word.having("prep"):
            things = [noun for noun in of.having("pobj") if noun.is_noun]
            if of.text in ("of", "with", "showing") and things and not shows:
                _take_place(things[0], word)
                of.hang_on(things[0], FRAME)
                break
        word.dep = FRAME


def _take_place(new: Word, old: Word) -> None:
    """Put `new` where `old` stands and move there what hangs on `old`; `old` stays as a frame without a say."""
    new.hang_on(old.head, old.dep)
    for child in list(old.children):
        if child is not new and child.dep not in ("det", "amod", "nummod", "compound", "quantmod"):
            child.hang_on(new, child.dep)
    old.hang_on(new, FRAME)


MENDS: tuple[Callable[[Sequence[Word]], None], ...] = (
    nouns_taken_for_others,
    colours_are_adjectives,
    adverbs_of_adjectives_are_adjectives,
    modifiers_hang_on_their_noun,
    prepositions_hold_their_noun,
    verbs_taken_for_nouns,
    groups_are_what_they_hold,
    pictures_are_not_in_the_picture,
    noun_before_lone_verb_is_its_subject,
    subjects_after_their_verb,
    adjectives_after_a_comma,
    last_of_adjectives,
    lists_hold_their_like,
    second_clause_has_its_own_subject,
    participle_goes_to_who_does_it,
    places_follow_their_noun,
)
