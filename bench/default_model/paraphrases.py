"""Rarer words: recall of captions as they are, and with one word replaced by a rarer one that means the same.

    python bench/default_model/paraphrases.py --model RUN --data flickr8k [--show] [--json FILE]

Split val, all its pictures are the gallery; a caption's own picture alone is relevant. `REPLACEMENTS` is the table of
words. The pairs are made anew at each run and are the same at each: words in an order drawn with `--seed`, one caption
each, drawn with it too, until there are `--pairs`; a second caption each (never more) if words run out. A caption
that says the rarer word already is not drawn. "a" and "an" are put right. The second row is of every caption with every
word of the table that it says, where chance plays a smaller part. The ratio is of R@10; intervals are 95% of the
paired difference in R@10, by bootstrap over pairs. `--show` prints the pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from command_line import add_rerank, options_of, print_table, write_numbers
from dense_search import Pictures, ratio, recalls
from jaxtyping import Float
from torch import Tensor

from crossgraph.data.sources import open_corpus
from crossgraph.evaluation.metrics import first_answers
from crossgraph.graphs.sentence_edits import numbered, rewritten
from crossgraph.verbs import load_search_model

NOUNS: Mapping[str, str] = {
    "baby": "infant",
    "backpack": "rucksack",
    "bag": "sack",
    "beach": "seashore",
    "boat": "vessel",
    "boy": "lad",
    "building": "edifice",
    "car": "automobile",
    "cat": "feline",
    "child": "youngster",
    "city": "metropolis",
    "cliff": "precipice",
    "couch": "settee",
    "creek": "brook",
    "crowd": "throng",
    "cyclist": "bicyclist",
    "dirt": "soil",
    "dock": "jetty",
    "dog": "canine",
    "dress": "frock",
    "forest": "woodland",
    "girl": "lass",
    "glasses": "spectacles",
    "grass": "turf",
    "guy": "bloke",
    "gun": "firearm",
    "hill": "hillside",
    "horse": "steed",
    "house": "dwelling",
    "kid": "youngster",
    "man": "gentleman",
    "motorcycle": "motorbike",
    "mud": "muck",
    "ocean": "sea",
    "pants": "trousers",
    "path": "pathway",
    "picture": "photograph",
    "plane": "aircraft",
    "policeman": "constable",
    "puppy": "pup",
    "road": "roadway",
    "rock": "boulder",
    "rope": "cord",
    "shore": "shoreline",
    "sidewalk": "pavement",
    "stomach": "belly",
    "store": "shop",
    "stream": "brook",
    "street": "roadway",
    "sunglasses": "shades",
    "sweater": "pullover",
    "television": "telly",
    "toddler": "tot",
    "toy": "plaything",
    "truck": "lorry",
    "woman": "lady",
}
"""Word and rarer word in the singular; both become plural together."""

OTHERS: Mapping[str, str] = {
    "big": "sizeable",
    "carrying": "toting",
    "colorful": "multicolored",
    "elderly": "aged",
    "holding": "clutching",
    "jumping": "leaping",
    "jumps": "leaps",
    "large": "sizeable",
    "looking": "gazing",
    "purple": "violet",
    "running": "sprinting",
    "runs": "sprints",
    "sleeping": "slumbering",
    "smiling": "grinning",
    "throwing": "hurling",
    "walking": "strolling",
    "walks": "strolls",
    "watches": "observes",
    "watching": "observing",
    "wearing": "sporting",
    "young": "youthful",
}
"""Adjectives and verbs, form by form."""

ONE_FORM = {"dirt", "glasses", "grass", "mud", "pants", "policeman", "stomach", "sunglasses"}
"""Nouns of which the captions have no other form, or too rarely to matter."""

ODD_PLURALS = {"aircraft": "aircraft", "gentleman": "gentlemen"}

OTHER_MEANINGS = re.compile(
    r"\b(?:hot dog|dog ?sled|rock (?:climb|wall|band|star|concert|face)\w*|(?:running|walking|jumping) (?:shoe|stick|"
    r"rope|water|stream)\w*|looks? like|looking like|(?:race|racing|bumper|train|toy) ?car|car seat|water gun|"
    r"bounce house|(?:bean|punching|sleeping) ?bag|bag of|toys with|toy (?:truck|gun|boat|horse|dog)|"
    r"(?:fire|pickup|monster) ?truck|dirt (?:bik|road|path|track|trail|course|ramp|hill|jump)\w*|(?:ski|house) ?boat|"
    r"dress(?:ed|es)? (?:up|as|in|shirt|shoe)|street (?:sign|perform|corner|vendor|light)\w*|"
    r"(?:wine|drinking) glasses|glasses of|(?:jump|tight) ?rope|(?:picture|stream) of|half.pipe)\b",
    re.IGNORECASE,
)
"""Where a word of the table means something else or stands in a fixed phrase; captions with any are left out."""


@dataclass(frozen=True)
class Pair:
    """A caption, the same with one word replaced, which picture they belong to, and what was replaced by what."""

    image: int
    original: str
    paraphrase: str
    word: str
    rarer: str


def replacements() -> Iterator[tuple[str, str]]:
    """Every form of every word of the table with its rarer form."""
    for word, rarer in NOUNS.items():
        yield word, rarer
        if word not in ONE_FORM:
            yield numbered(word, plural=True), ODD_PLURALS.get(rarer) or numbered(rarer, plural=True)
    yield from OTHERS.items()


def replaced(caption: str, word: str, rarer: str) -> str | None:
    """The caption with the first `word` replaced; None where it does not say it, means another thing, or says both.

    >>> replaced("A plane over a road", "plane", "aircraft")
    'An aircraft over a road'
    """
    found = re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-]|'s)", caption, re.IGNORECASE)
    if found is None or OTHER_MEANINGS.search(caption) or re.search(rf"\b{re.escape(rarer)}", caption, re.IGNORECASE):
        return None
    return rewritten(caption, [(found.span(), rarer)])


def all_pairs(captions: Sequence[str], images: Sequence[int]) -> dict[str, list[Pair]]:
    """Every pair that the captions give, by the word of the table in its first form."""
    found: dict[str, list[Pair]] = {}
    for word, rarer in replacements():
        key = next((noun for noun in NOUNS if word in (noun, numbered(noun, plural=True))), word)
        for caption, image in zip(captions, images, strict=True):
            if (paraphrase := replaced(caption, word, rarer)) is not None:
                found.setdefault(key, []).append(Pair(image, caption, paraphrase, word, rarer))
    return found


def drawn_pairs(by_word: Mapping[str, Sequence[Pair]], count: int, *, seed: int) -> list[Pair]:
    """`count` pairs, one a word as far as words go, then a second."""
    rng = np.random.default_rng(seed)
    words = [str(word) for word in rng.permutation(sorted(by_word))]
    order = {word: rng.permutation(len(by_word[word]))[:2].tolist() for word in words}
    picked = [by_word[word][order[word][turn]] for turn in (0, 1) for word in words if turn < len(order[word])]
    return picked[:count]


def compared(pictures: Pictures, pairs: Sequence[Pair], *, seed: int) -> list[float]:
    """R@1, 5, 10 of originals, then of paraphrases, their ratio at 10, and the interval of the difference at 10."""
    own = torch.tensor([pair.image for pair in pairs])[:, None] == torch.arange(len(pictures.vectors))
    scores = [pictures.scores([getattr(pair, side) for pair in pairs]) for side in ("original", "paraphrase")]
    before, after = (recalls(some, own) for some in scores)
    low, high = difference_interval(*(first_answers(some, own).hits(10) for some in scores), seed=seed)
    return [*before, *after, ratio(after[-1], before[-1]), low, high]


def difference_interval(before: Float[Tensor, " q"], after: Float[Tensor, " q"], *, seed: int) -> tuple[float, float]:
    """The 95% bootstrap interval of the mean difference of two hits of the same queries, in percent."""
    apart = 100 * (after - before).numpy()
    rng = np.random.default_rng(seed)
    drawn = np.array([rng.choice(apart, len(apart)).mean() for _ in range(2000)])
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    return float(low), float(high)


def main() -> None:
    """Print one row for the drawn pairs and one for all."""
    options = options_of(__doc__, data="Flickr8k's folder")
    options.add_argument("--split", default="val")
    options.add_argument("--pairs", type=int, default=50)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--show", action="store_true", help="print the drawn pairs")
    add_rerank(options)
    asked = options.parse_args()
    corpus = open_corpus(str(asked.data)).split(asked.split)
    by_word = all_pairs(corpus.captions, corpus.caption_image.tolist())
    drawn = drawn_pairs(by_word, asked.pairs, seed=asked.seed)
    every = [pair for pairs in by_word.values() for pair in pairs]
    pictures = Pictures(load_search_model(asked.model, device=asked.device), corpus.image_paths, rerank=asked.rerank)
    headings = ["pairs", "count", "words", "R@1", "R@5", "R@10"]
    headings += ["R@1 rarer", "R@5 rarer", "R@10 rarer", "ratio at 10", "apart at 10"]
    rows: list[list[str | int | float]] = []
    for name, pairs in (("drawn", drawn), ("all", every)):
        *found, low, high = compared(pictures, pairs, seed=asked.seed)
        words = len({pair.word for pair in pairs})
        rows.append([name, len(pairs), words, *found, f"{low:+.1f} to {high:+.1f}"])
    print_table(headings, rows, title=f"{asked.model}: {len(corpus):,} pictures of split {asked.split}.")
    if asked.show:
        print("\n".join(f"{pair.original}\n    {pair.paraphrase}" for pair in drawn))
    numbers = {"rows": [dict(zip(headings, row, strict=True)) for row in rows], "words": [pair.word for pair in drawn]}
    write_numbers(asked.json, asked, numbers)


if __name__ == "__main__":
    main()
