"""Single words the caption parser must know: numbers, who is alive, what is worn, and lemmas a tagger gets wrong."""

from __future__ import annotations

from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NUMBERS = (
    "no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
NUMBERS: Mapping[str, int] = {
    **{word: number for number, word in enumerate(_NUMBERS.split())},
    "a": 1,
    "an": 1,
    "another": 1,
    "single": 1,
    "both": 2,
    "dozen": 12,
}
"""Words that say how many."""

GROUPS: Mapping[str, int | None] = {
    "couple": 2,
    "pair": 2,
    "trio": 3,
    "quartet": 4,
    "dozen": 12,
    **dict.fromkeys(
        _words(
            "group crowd bunch team herd flock pack row line set series lot number variety gang pile stack collection "
            "cluster lots dozens hundreds groups pairs couples crowds kind type sort piece"
        )
    ),
}
"""Nouns X of "an X of things" that only gather what they hold -> how many, if they say."""

IMAGES = _words("picture photo photograph image scene view drawing shot snapshot")

COLOURS = _words(
    "red green blue yellow orange purple violet pink brown black white grey gray gold golden silver beige tan maroon "
    "burgundy turquoise teal navy khaki camouflage camo cream plaid blond blonde"
)

PEOPLE = _words(
    "man woman boy girl child kid baby toddler infant person people guy lady gentleman couple family friend crowd "
    "adult teenager teen youth someone player team skier surfer rider biker bicyclist cyclist skateboarder snowboarder "
    "skater climber runner dancer worker singer swimmer hiker performer driver wrestler gymnast athlete musician "
    "soldier policeman officer fireman firefighter cowboy student teacher tourist spectator fan bride groom mother "
    "father mom dad parent son daughter brother sister sibling grandmother grandfather owner vendor chef cook waiter "
    "waitress artist clown skateboarder motorcyclist racer jogger fisherman golfer pitcher batter catcher goalie "
    "referee photographer acrobat backpacker bather boxer fighter male female individual businessman passenger "
    "pedestrian guitarist drummer actor actress model wife husband neighbour neighbor queen king knight pirate doctor "
    "nurse farmer hunter painter sailor diver gardener postman baker"
)
ANIMALS = _words(
    "dog puppy cat kitten horse pony cow bull sheep lamb goat pig bird duck goose swan chicken hen rooster eagle owl "
    "parrot seagull gull pigeon crane penguin fish shark whale dolphin seal turtle frog snake lizard elephant giraffe "
    "zebra lion tiger bear monkey rabbit bunny squirrel fox wolf deer camel donkey mouse rat hamster greyhound poodle "
    "terrier retriever labrador shepherd collie dalmatian animal pet butterfly bee spider insect crab"
)
MOVERS = _words(
    "car truck bus train tram plane airplane aeroplane jet helicopter boat ship sailboat kayak canoe bike bicycle "
    "motorcycle motorbike scooter van taxi tractor vehicle kite ball balloon frisbee flag water fountain wave river "
    "waterfall smoke fire flame sun moon light lamp leaf wind cloud rocket robot building hill mountain sign"
)
"""Lifeless things that are said to do something; where others would, it is who wears or holds them that does."""

CLOTHES = _words(
    "shirt t-shirt tshirt hat cap helmet coat jacket dress skirt shorts pants jeans trousers suit tie scarf glove "
    "gloves shoe shoes boot boots sandal sandals sock sweater sweatshirt hoodie uniform costume outfit clothes "
    "clothing bikini swimsuit trunks vest robe gown mask glasses sunglasses goggles wig apron tank-top shawl "
    "pyjamas pajamas kimono jersey attire wetsuit bandana overalls tuxedo veil crown backpack "
    "life-jacket top gear stripes"
)

PLURAL_ONLY = _words(
    "shorts sunglasses glasses jeans goggles trousers pants trunks scissors binoculars headphones clothes pajamas "
    "pyjamas overalls tights leggings jean people cattle stairs bleachers gymnastics sports"
)
"""Plurals that name one thing or have no singular in use; they are kept as they are."""

NOT_THINGS = _words(
    "something someone somebody anything everything nothing nobody anyone everyone one ones other others lot total "
    "all front sort kind type order underwater outdoors outside midair"
)
"""Nouns that name nothing to be seen."""

ACTIONS = _words(
    "run walk jump stand frolic swim paddle ride play look leap race chase watch smile laugh climb skate surf ski "
    "swing sit dance kick throw catch perform fly hike fish wait lean hold carry pull push row rest "
    "bark sleep graze eat drink sing wade kneel talk crouch dive ride shout cheer wave"
)
"""Verbs whose -s form taggers take for a plural noun."""

PERSONAL = _words("he she they him her them")
THEIRS = _words("his her their its")

VERBS: Mapping[str, str] = {
    "rid": "ride",
    "star": "stare",
    "strip": "stripe",
    "bik": "bike",
    "hik": "hike",
    "danc": "dance",
    "skat": "skate",
    "pos": "pose",
    "shak": "shake",
    "div": "dive",
    "tak": "take",
    "mak": "make",
    "fac": "face",
    "rac": "race",
    "chas": "chase",
    "smil": "smile",
    "outstretche": "outstretch",
    "crosslegge": "crosslegged",
    "wakeboarde": "wakeboard",
    "parasaile": "parasail",
    "getting": "get",
    "woode": "wood",
    "lit": "light",
    "wad": "wade",
    "glid": "glide",
    "slid": "slide",
    "wav": "wave",
    "sle": "sled",
    "lay": "lie",
}
"""Wrong or ambiguous verb lemma -> the right one."""

NOUNS: Mapping[str, str] = {
    "bikinis": "bikini",
    "skis": "ski",
    "taxis": "taxi",
    "man": "man",
    "men": "man",
    "women": "woman",
    "children": "child",
    "leaves": "leaf",
    "kids": "kid",
    "puppies": "puppy",
    "leafs": "leaf",
}
"""Nouns as written -> lemma, where the tagger's is wrong."""
