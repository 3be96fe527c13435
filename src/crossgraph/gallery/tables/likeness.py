"""How a picture looks, in 320 bytes, and which pictures look alike: as copies of one do, and frames of one burst.

    8 x 8 places    lightness and both chromas (OKLab, *Ottosson 2020*) of each, a byte apiece
    64 x 64 places  what of their brightness changes from place to place both across and down, in 1,024 bits

The bits are the signs of 1,024 random projections *(Charikar 2002)*: how many differ says at what angle two patterns
stand. What runs straight across or down is no part of the pattern, so that lines of text say nothing and their words
do. Two pictures look alike if their patterns are close, no place has another colour and none is much lighter or darker.

The hashes of the `imagehash` library know brightness without colour, or colours without place. Its pHash of 256 bits
finds copies as well, but pages of text lie nearer to each other, and what differs in its detail is alike to it.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt64
from PIL import Image

PLACES, SIDE, BITS = 8, 64, 1024
COLOURS = 3 * PLACES * PLACES
BYTES = COLOURS + BITS // 8
SIEVE = slice(COLOURS, COLOURS + 3 * BITS // 32)
"""Where in a hash three quarters of its pattern are, enough to tell most pictures apart that do not look alike."""
UNKNOWN = bytes(BYTES)
"""What stands for a picture of which it is not known how it looks; no picture looks so, for grey is 128."""

# Set by bench/folding.py: docs/galleries.md has the rates, docs/log.md the margins.
APART = 276
"""Bits that may differ, of 1,024: an angle of 48.5 degrees between patterns, a cosine of 0.66."""
APART_AT_FIRST = 24
"""Bits of the first 64 that may differ: what is told apart by these alone needs no other look."""
COLOUR = 10
"""How far chromas may be apart anywhere, in 1/255."""
LIGHT = 34
"""How far lightness may be apart anywhere, in 1/255."""
NARROW, WIDE = 0.7, 3.0
"""Standard deviations of the two blurs, in places, between which the pattern lies."""
QUIET = 0.3
"""Grey levels, in the root mean square, below which a picture has no pattern: noise alone has an angle, too."""
FLARE = 0.01
"""Light that any screen reflects; without it the colours of what is nearly black are noise."""


def perceptual_hash(image: Image.Image) -> bytes:
    """How `image` looks, in `BYTES` bytes."""
    plain = image if image.mode == "RGB" else image.convert("RGB")
    small = plain.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=3)
    places = np.asarray(small.resize((PLACES, PLACES), Image.Resampling.BOX), np.float64) / 255
    colours = np.rint(255 * _oklab(places.reshape(-1, 3))) + np.array([0, 128, 128])
    planes: bytes = colours.clip(0, 255).astype(np.uint8).T.tobytes()
    return planes + _pattern_bits(np.asarray(small.convert("L"), np.float64))


def look_alike(many: UInt8[np.ndarray, "n b"], one: UInt8[np.ndarray, " b"]) -> Bool[np.ndarray, " n"]:
    """Which of `many` hashes are of pictures that look like that of `one`; none, where either is `UNKNOWN`."""
    return alike_in_pairs(many, one[None])


def alike_in_pairs(ones: UInt8[np.ndarray, "n b"], others: UInt8[np.ndarray, "#n b"]) -> Bool[np.ndarray, " n"]:
    """Of which places the two hashes there are of pictures that look alike; a single other one stands at all places."""
    near = np.flatnonzero(np.bitwise_count(first_words(ones) ^ first_words(others)) <= APART_AT_FIRST)
    found, others = np.zeros(len(ones), np.bool_), np.broadcast_to(others, ones.shape)
    apart = np.bitwise_count(ones[near, COLOURS:] ^ others[near, COLOURS:]).sum(1, dtype=np.int64)
    near = near[apart <= APART]
    known = ones[near].any(1) & others[near].any(1)
    found[near] = known & _same_colours(ones[near, :COLOURS], others[near, :COLOURS])
    return found


def may_look_alike(sieves: UInt8[np.ndarray, "n s"], one: UInt8[np.ndarray, " b"]) -> Bool[np.ndarray, " n"]:
    """Which pictures, of whose hashes only the part `SIEVE` is known, may look like the one of the whole hash `one`."""
    found: Bool[np.ndarray, " n"] = np.bitwise_count(sieves ^ one[SIEVE]).sum(1, dtype=np.int64) <= APART
    return found


def first_words(hashes: UInt8[np.ndarray, "n b"]) -> UInt64[np.ndarray, " n"]:
    """The first 64 bits of each pattern: pictures that differ in more than `APART_AT_FIRST` of them are unlike."""
    words: UInt64[np.ndarray, " n"] = np.ascontiguousarray(hashes[:, COLOURS : COLOURS + 8]).view(np.uint64)[:, 0]
    return words


def _same_colours(ones: UInt8[np.ndarray, "n c"], others: UInt8[np.ndarray, "#n c"]) -> Bool[np.ndarray, " n"]:
    """At which places the two pictures have the same colours."""
    steps = ones.astype(np.int32).reshape(-1, 3, COLOURS // 3) - others.astype(np.int32).reshape(-1, 3, COLOURS // 3)
    light, red, blue = steps[:, 0], steps[:, 1], steps[:, 2]
    same: Bool[np.ndarray, " n"] = (np.abs(light) <= LIGHT).all(1) & (red**2 + blue**2 <= COLOUR**2).all(1)
    return same


def _pattern_bits(grey: Float[np.ndarray, "s s"]) -> bytes:
    """On which side of each of `BITS` random planes the pattern of a picture lies; all 0 if it has none."""
    band, signs, mixing = _projections()
    pattern = band @ grey @ band.T
    if np.sqrt(np.square(pattern).mean()) < QUIET:
        return bytes(BITS // 8)
    mixed = mixing[: BITS // SIDE] @ (signs * pattern) @ mixing
    return np.packbits(mixed > 0).tobytes()


@cache
def _projections() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What takes the band out of rows; signs drawn for every place; the Hadamard matrix that mixes all of them.

    Signs and a Hadamard transform are random projections that need no multiplication *(Ailon & Chazelle 2006)*.
    """
    steps = np.subtract.outer(np.arange(SIDE), np.arange(SIDE))
    narrow, wide = (_rows_of_one(np.exp(-0.5 * (steps / width) ** 2)) for width in (NARROW, WIDE))
    drawn = np.frombuffer(hashlib.shake_256(b"pattern").digest(SIDE * SIDE // 8), np.uint8)
    signs = np.unpackbits(drawn).reshape(SIDE, SIDE) * 2.0 - 1
    mixing: np.ndarray = np.ones((1, 1))
    while len(mixing) < SIDE:
        mixing = np.kron(mixing, [[1, 1], [1, -1]])
    return (np.eye(SIDE) - wide) @ narrow, signs, mixing


def _rows_of_one(values: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "s s"]:
    scaled: Float[np.ndarray, "s s"] = values / values.sum(1, keepdims=True)
    return scaled


def _oklab(colours: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Lightness and the two chromas of sRGB colours between 0 and 1."""
    light = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(((light + FLARE) / (1 + FLARE)) @ _CONES)
    found: Float[np.ndarray, "n 3"] = cones @ _OPPONENTS
    return found


_CONES = np.array([[0.4122, 0.2119, 0.0883], [0.5363, 0.6807, 0.2817], [0.0515, 0.1074, 0.6300]])
_OPPONENTS = np.array([[0.2105, 1.9780, 0.0259], [0.7936, -2.4286, 0.7828], [-0.0041, 0.4506, -0.8087]])
