"""Phrases that cannot both be true: places and prepositions with their opposites, verbs with rivals, and inflection.

The pairs of opposites, each in both directions unless said otherwise:

    left / right        top / bottom        upper / lower            background / foreground
    above / below       on / under          in front of / behind     higher up than / lower down than
    into / out of       onto / off          inside / outside         up / down
    near / far from     towards / away from with / without           over / under (one way: under gives on)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from crossgraph.graphs.predicates import PREPOSITIONS

_BOTH_WAYS = {
    "above": "below",
    "in front of": "behind",
    "on": "under",
    "higher up than": "lower down than",
    "higher than": "lower than",
    "into": "out of",
    "onto": "off",
    "inside": "outside",
    "inside of": "outside of",
    "up": "down",
    "near": "far from",
    "towards": "away from",
    "with": "without",
}
_ONE_WAY = {
    "on top of": "under",
    "underneath": "on top of",
    "beneath": "on top of",
    "over": "under",
    "in the front of": "behind",
    "in back of": "in front of",
    "in the back of": "in front of",
    "ahead of": "behind",
    "next to": "far from",
    "close to": "far from",
    "close by": "far from",
    "near to": "far from",
    "beside": "far from",
    "off of": "onto",
    "toward": "away from",
}
PREPOSITION_OPPOSITES: Mapping[str, str] = {
    **{far: near for near, far in _BOTH_WAYS.items()},
    **_BOTH_WAYS,
    **_ONE_WAY,
}
"""Preposition or particle as written -> what cannot be true together with it, as written."""

_SIDES = {"left": "right", "top": "bottom", "upper": "lower", "background": "foreground"}
SIDE_OPPOSITES: Mapping[str, str] = {**_SIDES, **{other: one for one, other in _SIDES.items()}}
"""Words that turn a phrase of place around wherever in it they stand."""

_NOT_TURNED = re.compile(r"\b(?:along|together) with$|\bupside down\b", re.IGNORECASE)
_SIDE = re.compile(rf"\b(?:{'|'.join(SIDE_OPPOSITES)})\b", re.IGNORECASE)
_TAIL = re.compile(
    rf"\b(?:{'|'.join(sorted(map(re.escape, PREPOSITION_OPPOSITES), key=lambda one: -len(one)))})$", re.IGNORECASE
)


def turned(phrase: str) -> tuple[int, int, str] | None:
    """Which characters of a phrase to replace by what for its opposite; None if it has none.

    A side ("left") is turned wherever it stands, a preposition where the phrase ends with it: "to the left of" gives
    "right" for "left", "sitting on" gives "under" for "on".
    """
    if _NOT_TURNED.search(phrase):
        return None
    if tail := _TAIL.search(phrase):
        return tail.start(), tail.end(), PREPOSITION_OPPOSITES[tail.group().lower()]
    if side := _SIDE.search(phrase):
        return side.start(), side.end(), SIDE_OPPOSITES[side.group().lower()]
    return None


def opposite(name: str) -> str | None:
    """The opposite of a predicate or place by its name in a graph: "sit on" gives "sit under", "left" "right"."""
    change = turned(name)
    if change is None:
        return None
    start, end, new = change
    changed = f"{name[:start]}{new}{name[end:]}"
    return PREPOSITIONS.get(changed) or f"{name[:start]}{PREPOSITIONS.get(new, new)}{name[end:]}"


@lru_cache(maxsize=1 << 12)
def surfaces_of(predicate: str) -> tuple[str, ...]:
    """The ways to write the preposition that a predicate ends with, longest first; only of those with an opposite."""
    ways = [way for way in PREPOSITION_OPPOSITES if _ends_with(predicate, PREPOSITIONS.get(way, way))]
    ways += [way for way, name in PREPOSITIONS.items() if _SIDE.search(way) and _ends_with(predicate, name)]
    return tuple(sorted(dict.fromkeys(ways), key=lambda way: (-len(way), way)))


def _ends_with(predicate: str, name: str) -> bool:
    return predicate == name or predicate.endswith(f" {name}")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _table(text: str) -> Mapping[str, tuple[str, ...]]:
    rows = [line.split(":") for line in text.strip().splitlines()]
    return {verb.strip(): tuple(rivals.split()) for verb, rivals in rows}


ALONE: Mapping[str, tuple[str, ...]] = _table(
    """
    run: walk lie
    walk: run sit
    jump: sit crawl
    leap: sit crawl
    sit: stand run
    stand: sit lie
    lie: stand jump
    lay: stand jump
    lean: dance jump
    kneel: stand jump
    crouch: stand jump
    sleep: run jump
    rest: run jump
    swim: sit sleep
    dive: sit sleep
    wade: sit sleep
    crawl: stand jump
    climb: descend sit
    descend: climb sit
    fly: sit swim
    dance: sit sleep
    play: sleep kneel
    skate: swim sit
    skateboard: swim sit
    ski: swim sit
    surf: walk sleep
    ride: stand sleep
    hike: swim sleep
    dig: sit sleep
    race: sit sleep
    pose: run sleep
    wait: run dance
    smile: cry frown
    laugh: cry frown
    cry: laugh smile
    frown: smile laugh
    talk: sleep sing
    sing: sleep cry
    look: point laugh
    stare: point laugh
    bark: sleep swim
    perform: sleep wait
    float: sink fly
    """
)
"""Verb without an object of its own -> what its doer does not do at the same time."""

WITH_OBJECT: Mapping[str, tuple[str, ...]] = _table(
    """
    hold: throw kick
    carry: throw kick
    throw: catch hold
    catch: throw kick
    kick: throw catch
    hit: catch throw
    push: pull carry
    pull: push carry
    drag: push throw
    climb: descend
    descend: climb
    wear: hold throw
    ride: push carry
    walk: carry chase
    chase: carry ignore
    follow: lead chase
    lead: follow chase
    watch: ignore
    eat: throw kick
    chew: throw kick
    drink: pour
    pour: drink
    open: close
    close: open
    lift: drop kick
    raise: drop lower
    drop: lift catch
    build: destroy
    jump: climb
    cross: leave
    enter: leave
    leave: enter
    bite: lick chase
    lick: bite chase
    hug: push chase
    kiss: push chase
    paint: wash break
    wash: paint break
    """
)
"""Verb with an object -> what is not done to the same thing at the same time."""

_IRREGULAR = {
    verb: (past, participle)
    for verb, past, participle in (
        line.split()
        for line in """
        run ran run
        sit sat sat
        stand stood stood
        lie lay lain
        lay laid laid
        kneel knelt knelt
        sleep slept slept
        swim swam swum
        fly flew flown
        ride rode ridden
        dig dug dug
        sing sang sung
        sink sank sunk
        hold held held
        throw threw thrown
        catch caught caught
        hit hit hit
        wear wore worn
        lead led led
        eat ate eaten
        drink drank drunk
        build built built
        leave left left
        bite bit bitten
        break broke broken
        """.strip().splitlines()
    )
}
_DOUBLED = _words("run sit swim dig hit hug drag drop")
_AFTER_AUXILIARY = _words("has have had is are was were be been being by")


def third_person(verb: str) -> str:
    """ "run" gives "runs", "carry" "carries"."""
    if re.search(r"(?:s|x|z|ch|sh|o)$", verb):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if re.search(r"[^aeiou]y$", verb) else f"{verb}s"


def _ing(verb: str) -> str:
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb in _DOUBLED:
        return f"{verb}{verb[-1]}ing"
    return f"{verb[:-1]}ing" if re.search(r"[^eiy]e$", verb) else f"{verb}ing"


def _past(verb: str) -> tuple[str, str]:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    stem = f"{verb}{verb[-1]}" if verb in _DOUBLED else re.sub(r"([^aeiou])y$", r"\1i", verb).removesuffix("e")
    return f"{stem}ed", f"{stem}ed"


_VERBS = sorted(
    {verb for table in (ALONE, WITH_OBJECT) for row in table.items() for verb in (row[0], *row[1])},
)
_FORMS: Mapping[str, Mapping[str, str]] = {
    verb: {
        "base": verb,
        "third": third_person(verb),
        "ing": _ing(verb),
        "past": _past(verb)[0],
        "participle": _past(verb)[1],
    }
    for verb in _VERBS
}


def inflected(rival: str, like: str, verb: str, *, before: str = "") -> str | None:
    """`rival` in the form that the word `like` has of `verb`; None where that is no known form of it.

    `before` is the word before it: after "has" or "is", a form that may be past or participle is a participle.
    """
    forms = _FORMS.get(verb, {})
    found = [form for form, word in forms.items() if word == like.lower()]
    if not found or rival not in _FORMS:
        return None
    is_participle = "participle" in found and before.lower() in _AFTER_AUXILIARY
    return _FORMS[rival]["participle" if is_participle else found[0]]
