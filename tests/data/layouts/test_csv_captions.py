"""Caption tables as people save them: whatever the separator, the header, the quotes and the encoding."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossgraph.data.corpus import Corpus
from crossgraph.data.sources import open_corpus
from crossgraph.errors import DataError
from tests.data.drawn_sets import labels_of, put_json, put_photos


def put_table(folder: Path, text: str, *, name: str = "captions.csv", encoding: str = "utf-8") -> Path:
    """A table and two pictures, a.jpg and b.jpg."""
    put_photos(folder, "a.jpg", "b.jpg")
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def captions_of(corpus: Corpus) -> dict[str, list[str]]:
    by_image = corpus.captions_of_images()
    return {image: [corpus.captions[j] for j in by_image[i]] for i, image in enumerate(corpus.image_ids)}


@pytest.mark.parametrize(
    ("text", "columns", "separator"),
    [
        ("image,caption\na.jpg,one\nb.jpg,two\n", ("image", "caption"), "comma"),
        ("Image, Caption\na.jpg, one\nb.jpg, two\n", ("Image", "Caption"), "comma"),
        ("filepath\ttitle\na.jpg\tone\nb.jpg\ttwo\n", ("filepath", "title"), "tab"),
        ("image_name| comment_number| comment\na.jpg| 0| one\nb.jpg| 0| two\n", ("image_name", "comment"), "bar"),
        ("FILE NAME;Text\na.jpg;one\nb.jpg;two\n", ("FILE NAME", "Text"), "semicolon"),
        ('"id","file-name","description"\n1,a.jpg,one\n2,b.jpg,two\n', ("file-name", "description"), "comma"),
        ("a.jpg,one\nb.jpg,two\n", ("column 1", "column 2"), "comma"),
        ("a.jpg\tone\nb.jpg\ttwo\n", ("column 1", "column 2"), "tab"),
        (
            'raw,sentids,split,filename\n"[""one""]",1,all,a.jpg\n"[""two""]",2,all,b.jpg\n',
            ("filename", "raw"),
            "comma",
        ),
    ],
)
def test_columns_and_separator_are_found_out_and_said(
    tmp_path: Path, text: str, columns: tuple[str, str], separator: str
) -> None:
    file = put_table(tmp_path, text)
    for corpus in (open_corpus(file), open_corpus(tmp_path)):
        assert captions_of(corpus) == {"a.jpg": ["one"], "b.jpg": ["two"]}
        found = dict(corpus.understood.columns)
        assert (found["image"], found["caption"]) == columns
        assert (corpus.understood.layout, corpus.understood.separator) == ("csv", separator)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_western_tables_are_read_in_every_encoding_of_excel(tmp_path: Path, encoding: str) -> None:
    text = "image,caption\r\na.jpg,the café’s “ball”\r\nb.jpg,two\r\n"
    corpus = open_corpus(put_table(tmp_path, text, encoding=encoding))
    assert captions_of(corpus) == {"a.jpg": ["the café’s “ball”"], "b.jpg": ["two"]}
    assert ("guess" in str(corpus.understood.encoding)) == (encoding == "cp1252")


def test_a_chinese_table_in_gb18030_is_read(tmp_path: Path) -> None:
    corpus = open_corpus(
        put_table(tmp_path, "image,caption\na.jpg,红色的球在草地上\nb.jpg,一只狗\n", encoding="gb18030")
    )
    assert corpus.captions == ("红色的球在草地上", "一只狗")


def test_quotes_newlines_and_commas_that_nobody_quoted_are_kept(tmp_path: Path) -> None:
    text = 'image,caption\na.jpg,"a ""red"" ball\non two lines"\na.jpg,A dog, brown and "big", runs\nb.jpg,two\n'
    corpus = open_corpus(put_table(tmp_path, text))
    assert captions_of(corpus)["a.jpg"] == ['a "red" ball\non two lines', 'A dog, brown and "big", runs']


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.jpg", "1 fields in the place of 2: a.jpg"),
        (",one", "it names no picture"),
        ('a.jpg,"open', "a quote is opened and never closed"),
        ("gone.jpg,one", "'gone.jpg': no such file"),
    ],
)
def test_a_bad_row_is_listed_with_its_line_and_the_rest_is_read(tmp_path: Path, row: str, reason: str) -> None:
    file = put_table(tmp_path, f"image,caption\na.jpg,one\n{row}\nb.jpg,two\n")
    corpus = open_corpus(file)
    assert captions_of(corpus) == {"a.jpg": ["one"], "b.jpg": ["two"]}
    (listed,) = corpus.skipped_rows
    assert (listed.path, listed.where) == (file, "line 3")
    assert listed.reason.startswith(reason)
    assert (corpus.understood.rows, corpus.understood.rows_read) == (3, 2)


def test_a_row_with_a_field_too_many_is_listed_where_the_caption_is_not_last(tmp_path: Path) -> None:
    corpus = open_corpus(put_table(tmp_path, "image,caption,split\na.jpg,one,train\nb.jpg,dogs, cats,train\n"))
    assert [one.reason for one in corpus.skipped_rows] == ["4 fields in the place of 3: b.jpg,dogs, cats,train"]


def test_a_table_without_one_good_row_says_how_it_was_read_and_the_advice_works(tmp_path: Path) -> None:
    file = put_table(tmp_path, "bild#text\na.jpg#one\nb.jpg#two\n")
    with pytest.raises(DataError, match=r"no caption table as utf-8.*line 1 is 'bild#text'.*csv:.*\?separator=tab"):
        open_corpus(file)
    corpus = open_corpus(f"csv:{file}?separator=%23&image=bild&caption=text&encoding=utf-8")
    assert captions_of(corpus) == {"a.jpg": ["one"], "b.jpg": ["two"]}
    gone = put_table(tmp_path, "image,caption\nx.jpg,one\n")
    with pytest.raises(DataError, match=r"none of the 1 pictures.*read as utf-8, comma between fields, image = image"):
        open_corpus(gone)


def test_everything_can_be_told_by_name_or_number(tmp_path: Path) -> None:
    text = "a.jpg;eins;one;train;big|red\nb.jpg;zwei;two;validation;red\n"
    file = put_table(tmp_path / "far", text)
    told = f"csv:{file}?separator=semicolon&image=1&caption=3"
    assert open_corpus(told).captions == ("one", "two")
    headed = put_table(tmp_path / "near", f"name;de;en;part;what\n{text}")
    corpus = open_corpus(f"csv:{headed}?caption=en&split=part&labels=5")
    assert corpus.captions == ("one", "two")
    assert corpus.image_splits == ("train", "val")
    assert corpus.label_names == ("big", "red")
    lonely = tmp_path / "lonely.csv"
    lonely.write_text("image,caption\na.jpg,one\n")
    assert open_corpus(f"csv:{lonely}?images=far").image_paths == (tmp_path / "far/a.jpg",)
    with pytest.raises(DataError, match="give one letter"):
        open_corpus(f"csv:{file}?separator=and")


def test_pictures_lie_in_folders_of_usual_names(tmp_path: Path) -> None:
    put_photos(tmp_path, "Images/a.jpg", "flickr30k_images/b.jpg")
    (tmp_path / "captions.txt").write_text("image,caption\na.jpg,A dog , brown\nb.jpg,two\n")
    corpus = open_corpus(tmp_path)
    assert captions_of(corpus) == {"a.jpg": ["A dog , brown"], "b.jpg": ["two"]}
    assert corpus.understood.guesses == ()
    assert corpus.fingerprint() == open_corpus(tmp_path / "captions.txt").fingerprint()


def test_names_written_otherwise_are_found_and_rows_of_one_picture_joined(tmp_path: Path) -> None:
    put_photos(tmp_path, "images/" + unicodedata.normalize("NFD", "Zürich.jpg"), "images/B.JPG")
    (tmp_path / "captions.csv").write_text("image,caption\nimages\\Zürich.jpg,one\nZürich.jpg,two\nb,three\n")
    corpus = open_corpus(tmp_path)
    assert list(captions_of(corpus).values()) == [["one", "two"], ["three"]]
    assert [difference for *_, difference in corpus.understood.guesses] == [
        "composed and decomposed letters",
        "the folder before it",
        "ending",
    ]


def test_a_name_that_fits_two_pictures_is_listed_with_both(tmp_path: Path) -> None:
    put_photos(tmp_path, "x/a.jpg", "y/a.jpg", "b.jpg")
    (tmp_path / "captions.csv").write_text("image,caption\na.jpg,one\nb.jpg,two\n")
    corpus = open_corpus(tmp_path)
    assert corpus.captions == ("two",)
    assert [one.reason for one in corpus.skipped_rows] == ["'a.jpg': no such file, and several fit: x/a.jpg, y/a.jpg"]


HEADERS = (("image", "caption"), ("Image ", " Caption"), ("file_name", "text"), ("filepath", "title"), None)
BROKEN = ("short", "unclosed", "nameless", "gone")
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="\x85\u2028\u2029"), max_size=20
)
latin = st.text(st.sampled_from("abc é’ü,;|\"'"), max_size=20)


@dataclass(frozen=True)
class Drawn:
    """A table, and what is in it: the captions of good rows, and how many rows are broken."""

    raw: bytes
    good: tuple[tuple[str, str], ...]
    broken: int


@st.composite
def tables(draw: st.DrawFn) -> Drawn:
    """A table of any separator, header, quoting and encoding, with broken rows anywhere behind the first."""
    separator = draw(st.sampled_from(",\t;|"))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "gb18030"]))
    header, newline = draw(st.sampled_from(HEADERS)), draw(st.sampled_from(["\n", "\r\n"]))
    # What is to be told from its bytes alone needs some: see test_encodings for short texts.
    sure = {"cp1252": "été à la plage, “déjà” vu", "gb18030": "一只棕色的狗在草地上奔跑"}.get(encoding, "plain")
    kinds = [None, *draw(st.lists(st.sampled_from([None, *BROKEN]), max_size=6))]
    lines, good = [] if header is None else [separator.join(header)], []
    for kind in kinds:
        image = draw(st.sampled_from(["a.jpg", "b.jpg"]))
        own = draw(latin if encoding == "cp1252" else texts) if encoding != "gb18030" else ""
        caption = f"{sure} {own}".strip()
        quoted = '"' + caption.replace('"', '""') + '"'
        if kind is None:
            good.append((image, caption))
            # A quote behind a separator opens a field, so a caption that holds these is written with quotes.
            opens = re.search(rf'(^|{re.escape(separator)})\s*"', caption)
            bare = opens is None and draw(st.booleans())
            lines.append(f"{image}{separator}{caption if bare else quoted}")
        else:
            row = {"short": image, "nameless": f"{separator}{quoted}", "gone": f"gone.jpg{separator}{quoted}"}
            lines.append(row.get(kind, f'{image}{separator}"never closed'))
    return Drawn((newline.join(lines) + newline).encode(encoding), tuple(good), len(kinds) - len(good))


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(table=tables())
def test_no_table_raises_and_rows_read_and_listed_are_those_there(table: Drawn) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        put_photos(folder, "a.jpg", "b.jpg")
        (folder / "captions.csv").write_bytes(table.raw)
        corpus = open_corpus(folder)
    read = [
        (corpus.image_ids[image], caption) for image, caption in zip(corpus.caption_image, corpus.captions, strict=True)
    ]
    assert sorted(read) == sorted(table.good)
    assert len(corpus.skipped_rows) == table.broken
    assert corpus.understood.rows == len(table.good) + table.broken
    assert corpus.understood.rows_read == len(table.good)


@settings(max_examples=150)
@given(raw=st.binary(max_size=200))
def test_no_bytes_under_the_name_of_a_caption_table_raise_anything_but_a_clear_error(raw: bytes) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        put_photos(folder, "a.jpg")
        for good in (b"", b"image,caption\na.jpg,one\n"):
            (folder / "captions.csv").write_bytes(good + raw)
            try:
                corpus = open_corpus(folder / "captions.csv")
            except DataError:
                continue
            assert corpus.understood.rows == corpus.understood.rows_read + len(corpus.skipped_rows)


def test_labels_that_several_tools_write_are_parted(tmp_path: Path) -> None:
    text = "image,caption,labels\na.jpg,one,{}\na.jpg,two,{}\nb.jpg,three,{}\n"
    for own in (("dog|water", "dog|water", "water"), ("\"['dog', 'water']\"", "dog", "['water']")):
        corpus = open_corpus(put_table(tmp_path, text.format(*own)))
        assert [labels_of(corpus, row) for row in range(2)] == [["dog", "water"], ["water"]]
    corpus = open_corpus(put_table(tmp_path, text.format('"dog, water"', '"dog, water"', "sky")))
    assert [labels_of(corpus, row) for row in range(2)] == [["dog, water"], ["sky"]]
    assert "1 label holds commas" in corpus.understood.notes[0]
    corpus = open_corpus(f"csv:{tmp_path / 'captions.csv'}?label_separator=comma")
    assert [labels_of(corpus, row) for row in range(2)] == [["dog", "water"], ["sky"]]
    assert corpus.understood.notes == ()


def test_columns_that_nobody_reads_are_named_and_those_of_0_and_1_apart(tmp_path: Path) -> None:
    corpus = open_corpus(put_table(tmp_path, "image,caption,width,dog,sky\na.jpg,one,640,1,0\nb.jpg,two,1,0,1\n"))
    assert corpus.labels is None
    first, second = corpus.understood.notes
    assert first == "columns that are not read: width, dog, sky"
    assert second.startswith("columns of nothing but 0 and 1 are no labels here: dog, sky;")


@pytest.mark.parametrize(
    ("written", "split"),
    [
        *(("Train", "train"), ("TRAINING", "train"), ("restval", "train"), ("VAL", "val"), ("Valid", "val")),
        *((" Validation ", "val"), ("DEV", "val"), ("TEST", "test"), ("Testing", "test"), ("All", "all"), ("", "all")),
        *(("eval", "eval"), ("Fold 1", "Fold 1")),
    ],
)
def test_words_for_splits_are_understood_in_any_case(tmp_path: Path, written: str, split: str) -> None:
    put_photos(tmp_path, "a.jpg")
    table = tmp_path / "captions.csv"
    table.write_text(f"image,caption,split\na.jpg,one,{written}\n", encoding="utf-8")
    assert open_corpus(table).splits == (split,)
    put_json(
        tmp_path / "dataset.json",
        {"images": [{"filename": "a.jpg", "split": written or "all", "sentences": [{"raw": "one"}]}]},
    )
    assert open_corpus(f"karpathy:{tmp_path / 'dataset.json'}").splits == (split,)
