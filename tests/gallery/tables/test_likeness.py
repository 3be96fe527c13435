import numpy as np
import pytest
from PIL import Image, ImageDraw

from crossgraph.gallery.tables import likeness
from crossgraph.gallery.tables.likeness import APART, BITS, BYTES, COLOURS, UNKNOWN, look_alike, perceptual_hash
from tests.gallery.looks import compressed, frame, lit, page, photo, scaled, shirt

SHIRTS = ("red", "orange", "gold", "green", "blue", "purple", "black", "white", "#7f7f7f")


def hashes(*images: Image.Image) -> np.ndarray:
    return np.stack([np.frombuffer(perceptual_hash(image), np.uint8) for image in images])


def alike(first: Image.Image, second: Image.Image) -> bool:
    one, other = hashes(first, second)
    there, back = look_alike(one[None], other), look_alike(other[None], one)
    assert there == back, "likeness has no direction"
    return bool(there[0])


@pytest.mark.parametrize("draw", [photo, page])
def test_copies_look_alike_and_other_pictures_do_not(draw: object) -> None:
    assert callable(draw)
    original = draw(0).convert("RGB")
    for quality in (30, 60, 95):
        assert alike(original, compressed(original, quality=quality))
    for factor in (0.25, 0.5, 2, 4):
        assert alike(original, scaled(original, by=factor))
    for light in (0.9, 1.1):
        assert alike(original, lit(original, by=light))
    assert alike(original, compressed(scaled(lit(original, by=1.1), by=0.5), quality=60))
    others = hashes(*(draw(seed) for seed in range(1, 20)))
    assert not look_alike(others, hashes(original)[0]).any()


def test_frames_of_a_burst_look_alike() -> None:
    frames = hashes(*(frame(photo(3), number) for number in range(12)))
    assert all(look_alike(frames, one).all() for one in frames)


def test_one_shape_in_several_colours_is_several_pictures() -> None:
    shirts = hashes(*map(shirt, SHIRTS))
    assert [int(look_alike(shirts, one).sum()) for one in shirts] == [1] * len(SHIRTS)
    for colour in SHIRTS:
        assert alike(shirt(colour), compressed(scaled(shirt(colour), by=0.5), quality=60))


def test_a_small_thing_of_another_colour_is_another_picture() -> None:
    red, blue = photo(1), photo(1)
    for image, colour in ((red, "#c04040"), (blue, "#4060c0")):
        ImageDraw.Draw(image).rectangle((100, 100, 120, 115), fill=colour)
    assert not alike(red, blue)


def test_pages_of_different_words_are_different_pages() -> None:
    pages = hashes(*map(page, range(8)))
    assert [int(look_alike(pages, one).sum()) for one in pages] == [1] * 8


def test_plain_pictures_are_told_apart_by_their_colour_alone() -> None:
    plain = [Image.new("RGB", (50, 40), colour) for colour in ("red", "blue", "black", "white")]
    assert [int(look_alike(hashes(*plain), one).sum()) for one in hashes(*plain)] == [1, 1, 1, 1]
    assert alike(plain[0], compressed(scaled(plain[0], by=3), quality=30))
    noise = np.random.default_rng(0).integers(-2, 3, (240, 320, 3))
    assert alike(Image.fromarray((noise + 128).astype(np.uint8)), Image.new("RGB", (9, 9), "#808080"))


def test_the_dark_has_no_colours() -> None:
    reddish, greenish = Image.new("RGB", (9, 9), (6, 0, 6)), Image.new("RGB", (9, 9), (0, 5, 0))
    assert alike(reddish, greenish)
    night = photo(5).point(lambda value: value // 10)
    assert alike(night, compressed(night, quality=60))


def test_a_picture_that_is_not_known_looks_like_none() -> None:
    known = hashes(photo(0), Image.new("L", (9, 9)), Image.new("RGB", (9, 9), "white"))
    assert (len(UNKNOWN), known.shape[1]) == (BYTES, BYTES)
    unknown = np.frombuffer(UNKNOWN, np.uint8)
    assert known.any(1).all(), "no known picture looks like an unknown one"
    assert not look_alike(np.stack([*known, unknown]), unknown).any()
    assert [look_alike(np.stack([unknown, one]), one).tolist() for one in known] == [[False, True]] * 3


def test_the_bits_that_differ_measure_the_angle_between_patterns() -> None:
    drawn = np.random.default_rng(0)
    first, other = drawn.normal(0, 30, (2, 64, 64))
    for share in (0.0, 0.3, 0.6, 0.9, 1.0):
        second = share * first + (1 - share**2) ** 0.5 * other
        band, _, _ = likeness._projections()
        patterns = [(band @ values @ band.T).ravel() for values in (first, second)]
        cosine = patterns[0] @ patterns[1] / np.linalg.norm(patterns[0]) / np.linalg.norm(patterns[1])
        bits = [np.frombuffer(likeness._pattern_bits(values), np.uint8) for values in (first, second)]
        differing = int(np.bitwise_count(bits[0] ^ bits[1]).sum()) / BITS
        assert differing == pytest.approx(np.arccos(min(cosine, 1)) / np.pi, abs=0.05)


def test_it_is_what_a_loop_over_bits_and_places_says() -> None:
    drawn = np.random.default_rng(1)
    one = drawn.integers(0, 256, BYTES, np.uint8)
    many = np.repeat(one[None], 400, 0)
    for row, hashed in enumerate(many):
        flipped = drawn.random(BITS) < drawn.choice([0.0, 0.2, 0.26, 0.3, 0.5])
        hashed[COLOURS:] ^= np.packbits(flipped)
        steps = drawn.integers(-1, 2, COLOURS) * drawn.choice([0, 9, 14, 39])
        hashed[:COLOURS] = (hashed[:COLOURS].astype(int) + steps).clip(0, 255) if row % 2 else hashed[:COLOURS]
    expected = []
    for hashed in many:
        bits = np.unpackbits(hashed[COLOURS:]) != np.unpackbits(one[COLOURS:])
        close = bits.sum() <= APART and bits[:64].sum() <= likeness.APART_AT_FIRST
        for place in range(64):
            light, red, blue = (int(hashed[64 * plane + place]) - int(one[64 * plane + place]) for plane in range(3))
            close &= abs(light) <= likeness.LIGHT and red**2 + blue**2 <= likeness.COLOUR**2
        expected.append(bool(close))
    assert 20 < sum(expected) < 380
    assert look_alike(many, one).tolist() == expected
