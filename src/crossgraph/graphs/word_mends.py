"""Words that a small tagger often takes for another part of speech in captions, put right by the tree around them."""

from __future__ import annotations

from collections.abc import Sequence

from crossgraph.graphs.lexicon import ACTIONS, ANIMALS, CLOTHES, COLOURS, PEOPLE, PLURAL_ONLY
from crossgraph.graphs.sentence_tree import FINITE, Word


def nouns_taken_for_others(words: Sequence[Word]) -> None:
    """ "boy climbing a wall" read as an exclamation, "a sphere, tiny" as a sphere adjective."""
    for word, after in zip(words, [*words[1:], None], strict=False):
        ends = after is None or after.tag in (",", ".", "IN", ":")
        if word.tag == "JJ" and word.dep not in ("amod", "conj", "acomp") and word.having("det") and ends:
            word.tag = "NN"
        if (word.tag == "UH" and word.text in PEOPLE) or (word.tag in ("UH", "JJ", "JJR") and word.text in ANIMALS):
            word.tag = "NN"
        if after is not None and after.text == "," and word.is_noun and word.dep in ("amod", "nmod", "compound"):
            for det in word.head.having("det") if word.head else []:
                if det.index < word.index:
                    det.hang_on(word, "det")
            word.dep = "appos"


def colours_are_adjectives(words: Sequence[Word]) -> None:
    """ "a burgundy shirt", "a ball that is violet": a colour before a noun or after "is" is no thing."""
    for word in words:
        is_said = word.dep in ("attr", "acomp") or (word.head is not None and word.head.lemma == "be")
        if word.text in COLOURS and is_said and word.dep not in ("nsubj", "amod", "compound"):
            word.tag, word.dep = "JJ", "acomp"
        elif word.text in COLOURS and _is_worn(word) and not word.having("det", "amod"):
            word.tag = "JJ"
        elif word.dep == "compound" and word.text.endswith("ing") and word.head is not None and word.head.is_alive:
            word.tag, word.dep = "VBG", "amod"
        elif word.dep in ("compound", "nmod", "amod") and (word.text in COLOURS or word.tag.startswith("JJ")):
            word.tag, word.dep = "JJ", "amod"
        elif word.text in COLOURS and word.dep == "conj" and word.head is not None and word.head.tag == "JJ":
            word.tag = "JJ"


def _is_worn(word: Word) -> bool:
    head = word.first_conjunct().head
    return head is not None and (head.text == "in" or head.lemma == "wear")


def adverbs_of_adjectives_are_adjectives(words: Sequence[Word]) -> None:
    """ "a plain green box", "a little striped hat": plain is the box, not its greenness."""
    for word in words:
        if word.text in ("plain", "solid", "little") and word.head is not None and word.head.dep == "amod":
            word.tag = "JJ"


def last_of_adjectives(words: Sequence[Word]) -> None:
    """ "small, red and striped": what closes a list of adjectives is one, and no verb."""
    for place in range(2, len(words)):
        left, joint, last = words[place - 2 : place + 1]
        if joint.text not in ("and", "or", ",", "but") or not left.tag.startswith("JJ"):
            continue
        closes = place + 1 == len(words) or words[place + 1].tag in (".", ",", ":", "IN", "WDT", "CC")
        is_list = left.dep in ("acomp", "amod", "conj") and left.head is not None
        if closes and is_list and last.tag in ("VBN", "VBD", "JJ", "RB", "NN"):
            if last.tag == "NN" and last.text not in COLOURS:
                continue
            if last.having("dobj", "prep", "det", "agent") or (last.is_noun and last.having("amod")):
                continue
            for child in list(last.children):
                if child.is_noun and child is not left:
                    child.hang_on(last.head, last.dep)
            last.tag = "JJ"
            last.hang_on(left, "conj")


def verbs_taken_for_nouns(words: Sequence[Word]) -> None:
    """ "a player swings for the ball" read as the swings of a player: a noun and its verb."""
    for word in words:
        kinds = word.having("compound", "nsubj", "amod", "nmod")
        nouns = [noun for noun in kinds if noun.is_noun and noun.index == word.index - 1]
        if not nouns or not (word.is_noun or word.tag == "VBG") or word.is_alive or word.lemma in CLOTHES:
            continue
        noun = nouns[0]
        if word.text.endswith("ing"):
            if _is_participle(word, noun):
                _split(noun, word, tag="VBG")
        elif _says_it_is_a_verb(word, noun, words):
            _split(noun, word, tag="VBP" if noun.tag == "NNS" else "VBZ")
        elif word.tag == "NNS" and word.dep == "ROOT" and any(one.is_alive for one in word.having("nsubj")[:1]):
            _free_verb(noun, word, words)


def _is_participle(word: Word, noun: Word) -> bool:
    """ "in a dress smiling": what is worn or alive, before a word in -ing that has a noun's place."""
    has_place = word.dep in ("pobj", "dobj", "attr", "ROOT", "appos")
    has_place |= word.dep == "conj" and word.head is not None and not word.head.is_verb
    return has_place and (word.tag == "VBG" or noun.is_alive or noun.lemma in CLOTHES)


def _says_it_is_a_verb(word: Word, noun: Word, words: Sequence[Word]) -> bool:
    """Whether "a" stands before what would be a plural, or the sentence would be without its verb otherwise."""
    if word.tag == "NNS" and word.text not in PLURAL_ONLY and _has_article_of_one(word):
        return True
    if _is_action(word, noun) and not any(other.tag in FINITE for other in words):
        return True
    is_verbless = not any(other.is_verb and other.head is not word for other in words)
    is_plural = word.tag == "NNS" or noun.tag == "NNS" or noun.text == "people"
    return noun.is_alive and is_verbless and is_plural


def _is_action(word: Word, noun: Word) -> bool:
    is_inflected = word.text.endswith("s")
    agrees = is_inflected or (noun.is_alive and (noun.tag == "NNS" or word.dep == "conj"))
    return agrees and (word.lemma in ACTIONS or word.text.removesuffix("s") in ACTIONS)


def _has_article_of_one(word: Word) -> bool:
    is_few = any(child.text in ("few", "dozen", "couple") for child in word.children)
    return not is_few and any(child.text in ("a", "an") for child in word.having("det"))


def _split(noun: Word, verb: Word, *, tag: str) -> None:
    """Part a noun from the verb it was taken for a compound with; in a noun's place, the noun is the governor."""
    modifiers = [child for child in verb.children if child.index < noun.index]
    is_clause = tag != "VBG" and verb.dep in ("ROOT", "relcl", "ccomp", "advcl")
    if verb.is_noun and verb.lemma == verb.text:
        verb.lemma = _verb_of_participle(verb.text) if tag == "VBG" else verb.text.removesuffix("s")
    verb.tag = tag
    for child in verb.having("appos", "dep", "npadvmod", "nmod"):
        if child.is_noun and child.index > verb.index:
            child.dep = "dobj"
    for joined in verb.having("conj"):
        if is_clause and joined.is_noun and not joined.having("det", "amod"):
            joined.tag = tag
    if is_clause:
        modifiers = [child for child in modifiers if child.tag not in ("WDT", "WP") and child.dep != "advmod"]
        noun.hang_on(verb, "nsubj")
    else:
        noun.hang_on(verb.head, verb.dep)
        verb.hang_on(noun, "acl")
    for modifier in modifiers:
        modifier.hang_on(noun, modifier.dep)


def _verb_of_participle(text: str) -> str:
    stem = text.removesuffix("ing")
    single = stem[:-1] if stem[-1:] == stem[-2:-1] and stem[-1:] not in ("l", "s") else stem
    return next((verb for verb in (stem, f"{stem}e", single) if verb in ACTIONS), single)


def _free_verb(noun: Word, verb: Word, words: Sequence[Word]) -> None:
    """ "a woman near water and grass smiles": the verb has its subject, the noun before it belongs further left."""
    modifiers = [child for child in verb.children if child.dep in ("amod", "det") and child.index < noun.index]
    first = min((noun, *modifiers), key=lambda word: word.index)
    joint = words[first.index - 1] if first.index else noun
    verb.tag = "VBZ"
    if joint.tag == "CC" and joint.head is not None and joint.head.is_noun:
        noun.hang_on(joint.head, "conj")
        for modifier in modifiers:
            modifier.hang_on(noun, modifier.dep)
