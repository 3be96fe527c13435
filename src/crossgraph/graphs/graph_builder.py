"""From a mended tree of words to the scene graph it tells."""

from __future__ import annotations

from collections.abc import Sequence

from crossgraph.graphs.lexicon import ANIMALS, CLOTHES, COLOURS, NOT_THINGS, NUMBERS, PERSONAL, PLURAL_ONLY, THEIRS
from crossgraph.graphs.scene_graph import Attribute, GraphObject, Relation, SceneGraph, Span
from crossgraph.graphs.sentence_tree import FRAME, SUBJECTS, Word

_NO_THING = ("compound", "amod", "nmod", "npadvmod", "quantmod", "expl", FRAME)


def graph_of(words: Sequence[Word]) -> SceneGraph:
    """The graph of a mended tree; both its lists follow the order of the sentence."""
    builder = _Builder(words)
    for word in words:
        if word.is_place:
            builder.add_place(word)
        elif word.is_verb:
            builder.add_verb(word)
        elif word.is_preposition:
            builder.add_preposition(word)
        elif word.dep == "poss":
            builder.add_owner(word)
    return builder.graph()


class _Builder:
    def __init__(self, words: Sequence[Word]) -> None:
        self.words = words
        self.nouns = [word for word in words if _is_thing(word)]
        self.attributes: dict[Word, list[Attribute]] = {noun: _own_attributes(noun) for noun in self.nouns}
        self.relations: dict[tuple[int, str, int], Relation] = {}
        self.numbers = {noun: number for number, noun in enumerate(self.nouns)}

    def graph(self) -> SceneGraph:
        objects = []
        for noun in self.nouns:
            name, span = _name(noun)
            distinct = {one.name: one for one in sorted(self.attributes[noun], key=lambda one: one.span or (0, 0))}
            objects.append(GraphObject(name, tuple(distinct.values()), span, count=_count(noun)))
        return SceneGraph(tuple(objects), tuple(self.relations.values()))

    def add_owner(self, word: Word) -> None:
        """ "the man's hat", "his hat": the man has a hat."""
        marks = [child.span for child in word.children if child.tag == "POS"]
        if word.head is not None:
            self._relate(self._things(word), "have", [word.head], marks[0] if marks else word.span)

    def add_place(self, word: Word) -> None:
        """ "a ball on the left": an attribute of the ball."""
        self._describe(self._bearers(word), Attribute(word.text, word.span))

    def add_preposition(self, word: Word) -> None:
        """ "a ball on a box", "a dog sits on a box": a relation named by the preposition, and the verb if bare."""
        head, predicate, span = word.head, word.text, word.span
        objects = self._objects_of(word)
        if word.dep == "conj" and head is not None:
            head = head.first_conjunct().head
        if head is not None and head.is_preposition and head.dep in ("prep", "ROOT", "pcomp"):
            predicate, span = f"{head.text} {predicate}", (head.span[0], span[1])
            head = head.head
        if word.text == "in" and not objects:
            for colour in _colours(word.having("pobj")):
                self._describe(self._bearers(word), colour)
        if head is None or (word.dep == "agent" and _is_passive(head)):
            return
        if head.is_verb:
            worn = word.text == "in" and objects and objects[0].lemma in CLOTHES and head.lemma != "dress"
            if not (worn or head.lemma == "be" or self._has_object(head)):
                predicate = " ".join((_verb_name(head), predicate))
                span = _joined(self.words, head, word)
        elif not head.is_noun and head.tag[:2] in ("JJ", "RB") and not head.is_place and head.dep in ("acomp", "amod"):
            predicate, span = f"{head.text} {predicate}", (head.span[0], span[1])
        self._relate(self._bearers(word), predicate, objects, span)

    def add_verb(self, verb: Word) -> None:
        """ "a dog chases a cat": a relation; "a dog runs": an attribute of the dog, as it has no other end."""
        if verb.having("neg"):
            return
        subjects, objects = self._subjects(verb), self._objects(verb)
        if _is_passive(verb):
            agents = [noun for by in verb.having("agent", "prep") if by.text == "by" for noun in self._objects_of(by)]
            self._relate(agents, _verb_name(verb), subjects, verb.span)
            objects = []
            is_told = bool(agents)
        else:
            self._relate(subjects, _verb_name(verb), objects, _joined(self.words, verb, *verb.having("prt")))
            is_told = bool(objects)
        for colour in _colours(verb.having("dobj")) if verb.lemma == "wear" else []:
            self._describe(subjects, colour)
            is_told = True
        for receiver in verb.having("dative"):
            if receiver.is_noun:
                self._relate(subjects, f"{_verb_name(verb)} to", self._things(receiver), verb.span)
        for complement in verb.having("acomp", "oprd"):
            for one in (*complement.having("amod"), *complement.conjuncts()):
                if one.tag.startswith(("JJ", "VBN")) and not self._has_preposition(one):
                    self._describe(subjects, Attribute(one.text, one.span))
        is_told = is_told or self._has_preposition(verb) or bool(verb.having("acomp"))
        if not is_told and verb.lemma not in ("be", "have", "do", "show", "see"):
            name = verb.text if verb.tag == "VBN" or _is_passive(verb) else _verb_name(verb)
            self._describe(subjects, Attribute(name, verb.span))

    def _relate(self, subjects: Sequence[Word], predicate: str, objects: Sequence[Word], span: Span) -> None:
        for subject in subjects:
            for thing in objects:
                if subject in self.numbers and thing in self.numbers and subject is not thing:
                    ends = self.numbers[subject], predicate, self.numbers[thing]
                    self.relations.setdefault(ends, Relation(*ends, span))

    def _describe(self, nouns: Sequence[Word], attribute: Attribute) -> None:
        for noun in nouns:
            if noun in self.attributes:
                self.attributes[noun].append(attribute)

    def _things(self, word: Word) -> list[Word]:
        """The nouns a word and what is joined to it by "and" stand for; of a pronoun, the noun it means."""
        found = []
        for one in word.conjuncts():
            if one in self.numbers:
                found.append(one)
            elif one.text in PERSONAL or one.text in THEIRS:
                found.extend(self._meant_by(one))
        return found

    def _meant_by(self, pronoun: Word) -> list[Word]:
        """The only person or animal named before the pronoun; nobody if there are more, or none."""
        living = [noun for noun in self.nouns if noun.index < pronoun.index and noun.is_alive]
        if pronoun.text == "its":
            living = [noun for noun in living if noun.lemma in ANIMALS]
        return living if len(living) == 1 else []

    def _subjects(self, verb: Word) -> list[Word]:
        """Who does it, or to whom it is done if it is passive: its own subject, else its governor's."""
        current = verb
        for _ in self.words:
            own = current.having(*SUBJECTS)
            if current.lemma == "be" and current.having("expl"):
                own = current.having("attr", *SUBJECTS)
            said = [one for one in own if one.tag not in ("WDT", "WP")]
            if said:
                return [noun for one in said for noun in self._things(one)]
            head = current.head
            if head is None:
                return []
            if head.is_noun:
                return self._sharers(head)
            current = head
        return []

    def _sharers(self, noun: Word) -> list[Word]:
        """The nouns that what follows `noun` is true of: all of its list, if only its last one carries anything."""
        listed = [one for one in noun.first_conjunct().conjuncts() if one in self.numbers]
        carry = [one for one in listed if one is not noun and one.having("prep", "acl", "relcl")]
        if noun in listed and listed[-1] is noun and not carry and noun.first_conjunct().dep not in ("pobj", "dobj"):
            return listed
        return [noun]

    def _objects(self, verb: Word) -> list[Word]:
        """What it is done to."""
        own = verb.having("dobj") + (verb.having("attr") if not verb.having("expl") else [])
        found = [noun for one in own for noun in self._things(one)]
        if verb.lemma in ("watch", "see", "help", "let", "make", "have"):
            clauses = verb.having("ccomp")
            found += [noun for clause in clauses for one in clause.having("nsubj") for noun in self._things(one)]
        subjects = verb.having("nsubj")
        if found or verb.dep != "relcl" or verb.head is None or self._has_preposition(verb) or _is_passive(verb):
            return found
        return [verb.head] if any(one.tag not in ("WDT", "WP") for one in subjects) else []

    def _has_object(self, verb: Word) -> bool:
        return (
            bool(verb.having("dobj")) or bool(self._objects(verb)) or (_is_passive(verb) and bool(verb.having("agent")))
        )

    def _has_preposition(self, word: Word) -> bool:
        return any(child.is_preposition and self._objects_of(child) for child in word.children)

    def _objects_of(self, preposition: Word) -> list[Word]:
        own = preposition.having("pobj") or [
            noun for other in preposition.having("conj") for noun in other.having("pobj")
        ]
        own += [noun for clause in preposition.having("pcomp") for noun in clause.having("nsubj")]
        return [noun for one in own for noun in self._things(one)]

    def _bearers(self, word: Word) -> list[Word]:
        """The nouns that a preposition or a place says something about."""
        for head in word.ancestors():
            if head.is_verb:
                return self._subjects(head)
            if head.is_noun:
                return self._sharers(head)
        return []


def _is_thing(word: Word) -> bool:
    modifies = word.dep in _NO_THING and not (word.dep in ("amod", "nmod", "npadvmod") and word.having("det"))
    return (
        word.is_noun
        and not modifies
        and (word.text not in NOT_THINGS or bool(word.having("compound")))
        and any(map(str.isalnum, word.text))
    )


def _colours(words: Sequence[Word]) -> list[Attribute]:
    """What "in red and white" says of who is in it."""
    listed = [one for word in words for one in word.conjuncts() if one.text in COLOURS and not one.is_noun]
    return [Attribute(one.text, one.span) for one in listed]


def _is_passive(verb: Word) -> bool:
    if verb.having("nsubjpass", "auxpass"):
        return True
    if verb.tag != "VBN" or verb.having("nsubj", "dobj", "aux"):
        return False
    first = verb.first_conjunct()
    return verb.dep in ("acl", "advcl", "ROOT") or (first is not verb and _is_passive(first))


def _verb_name(verb: Word) -> str:
    return " ".join((verb.lemma, *(particle.text for particle in verb.having("prt"))))


def _joined(words: Sequence[Word], verb: Word, *others: Word) -> Span:
    """The span from a verb over its particles; the verb's alone if there are other words between."""
    last = max((verb, *others), key=lambda word: word.index)
    between = words[verb.index + 1 : last.index]
    if last.index < verb.index or any(word.is_noun or word.is_verb for word in between):
        return verb.span
    return verb.span[0], last.span[1]


def _name(noun: Word) -> tuple[str, Span]:
    """ "tennis ball" and where it stands: the noun and the nouns directly before it that say its kind."""
    parts = [noun]
    while kinds := [child for part in parts for child in part.having("compound") if child.index == parts[0].index - 1]:
        parts.insert(0, kinds[0])
    return " ".join((*(part.text for part in parts[:-1]), noun.lemma)), (parts[0].span[0], noun.span[1])


def _own_attributes(noun: Word) -> list[Attribute]:
    found = []
    for child in noun.having("amod", "nmod"):
        for one in child.conjuncts():
            if one.tag.startswith(("JJ", "VB", "NN")) and not _is_thing(one) and any(map(str.isalnum, one.text)):
                found.append(Attribute(one.text, one.span))
    return found


def _count(noun: Word) -> int | None:
    if noun.count is not None:
        return noun.count
    for child in noun.having("nummod", "det", "amod"):
        if child.text in NUMBERS:
            is_one = NUMBERS[child.text] == 1
            return None if is_one and noun.tag == "NNS" and noun.text not in PLURAL_ONLY else NUMBERS[child.text]
        if child.text.isascii() and child.text.isdigit() and len(child.text) < 7:
            return int(child.text)
    return None
