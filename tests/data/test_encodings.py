"""Texts of a line or two in the encodings people save them in."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.data.encodings import decode_text, is_undecoded
from crossgraph.errors import DataError

WESTERN = (
    "the café’s red ball",
    "a “dog” runs",
    "Un café à côté de l’été",
    "Ein Mädchen läuft über die Straße",
    "el niño pequeño corre rápido",
    "image,caption\n000.jpg,naïve – déjà vu\n",
)
CHINESE = (
    "红色的球",
    "一只棕色的狗在草地上奔跑，旁边有一个红色的球",
    "image,caption\n000.jpg,一个男孩在海边\n001.jpg,两只猫\n",
    "小女孩穿着 T恤",
)


@pytest.mark.parametrize(
    ("text", "written", "shown"),
    [
        *((text, "cp1252", "windows-1252") for text in WESTERN),
        *((text, "gb18030", "gb18030") for text in CHINESE),
        *((text, "utf-8", "utf-8") for text in (*WESTERN, *CHINESE, "plain")),
        *((text, wide, wide) for text in WESTERN for wide in ("utf-16-le", "utf-16-be")),
        ("image,caption\na.jpg,红色的球\n", "utf-16-le", "utf-16-le"),
    ],
)
def test_the_encoding_of_a_short_text_is_found_out(text: str, written: str, shown: str) -> None:
    decoded = decode_text(text.encode(written))
    assert (decoded.text, decoded.encoding) == (text, shown)
    assert decoded.guessed == (shown in ("windows-1252", "gb18030"))


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
def test_a_byte_order_mark_is_believed_and_is_no_part_of_the_text(mark: bytes, encoding: str) -> None:
    decoded = decode_text(mark + "红, é".encode(encoding))
    assert decoded.text == "红, é"
    assert not decoded.guessed


def test_a_few_bad_lines_do_not_make_a_text_of_utf_8_another() -> None:
    decoded = decode_text("Köln\nZürich\n".encode() + b"K\xf6ln\nplain\n")
    assert decoded.encoding == "utf-8"
    assert [is_undecoded(line) for line in decoded.text.splitlines()] == [False, False, True, False]


def test_a_single_zero_byte_does_not_make_a_text_wide() -> None:
    assert decode_text(b"a dog\0 and a cat on the grass").encoding == "utf-8"


def test_an_encoding_may_be_told_and_must_exist() -> None:
    assert decode_text("мяч".encode("cp1251"), "cp1251").text == "мяч"
    with pytest.raises(DataError, match="no encoding 'klingon'"):
        decode_text(b"", "klingon")


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    assert isinstance(decode_text(raw).text, str)
    assert isinstance(decode_text(raw, "gb18030").text, str)
    assert isinstance(decode_text(raw, "utf-16").text, str)
