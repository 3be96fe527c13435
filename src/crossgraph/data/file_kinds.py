"""What a file is, by its first bytes and its ending: a picture that can be read, one that cannot, or something else.

Content decides what a picture is. Endings say which files need not be looked into, and what a file that is no picture
was meant to be.
"""

from __future__ import annotations

import re

HEAD = 64
"""So many bytes from the start of a file tell what it is."""

NO_ENDING = "no ending"


def _endings(text: str) -> frozenset[str]:
    return frozenset(text.split())


IMAGE_ENDINGS = _endings(
    ".jpg .jpeg .jpe .jif .jfif .jfi .jpg_large .jpg_orig .jpeg_large .png .apng .webp .gif .bmp .dib .tif .tiff "
    ".avif .heic .heif .hif .mpo .jp2 .j2k .j2c .jpc .jpf .jpx"
)
"""Files of these endings are taken for pictures unseen; what they really are is found when they are read."""

TEXT_ENDINGS = _endings(
    ".txt .caption .captions .csv .tsv .json .jsonl .ndjson .parquet .token .list .lst .mat .npy .npz .h5 .hdf5"
)
"""Files that could hold captions, labels or features."""

ARCHIVE_ENDINGS = _endings(".zip .cbz .tar .tgz .tbz2 .txz .tar.gz .tar.bz2 .tar.xz .7z .rar .cbr")

_DULL_ENDINGS = _endings(
    ".mp4 .m4v .mov .avi .mkv .webm .3gp .mpg .mpeg .wmv .mts .m2ts .flv .lrv .thm "  # THM: the thumbnail of a film
    ".mp3 .wav .flac .m4a .aac .ogg .opus .wma .srt .vtt "
    ".doc .docx .xls .xlsx .ppt .pptx .odt .ods .odp .rtf .epub .md .rst .tex .html .htm .css .xml .xmp .aae .yaml "
    ".toml .ini .cfg .conf .log .url .lnk .webloc .torrent .py .ipynb .js .ts .sh .bat .c .h .cpp .java .rs .go .php "
    ".exe .dll .so .iso .dmg .db .sqlite .pt .pth .ckpt .safetensors .onnx .gz .bz2 .xz .zst .part .crdownload .tmp "
    ".lock .yml"
)

_RAW = "a camera's RAW file, which is not read; export it as JPEG or TIFF"
_VECTOR = "a drawing of lines (SVG), which is not read; export it as PNG"
_PDF = "a PDF, which is not read; export its pages as PNG or JPEG"
_JPEG_XL = "JPEG XL is not read; convert it to JPEG or PNG"
_PHOTOSHOP = "a Photoshop file, which is not read; export it as JPEG, PNG or TIFF"
_ICON = "an icon, which is not read; convert it to PNG"
_POSTSCRIPT = "PostScript is not read; export it as PNG"
_OTHER = "a picture format that is not read; convert it to JPEG, PNG or TIFF"

_UNREAD_ENDINGS: dict[str, str] = {
    **dict.fromkeys(
        _endings(
            ".dng .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .raf .orf .rw2 .rwl .raw .pef .srw .x3f .3fr .erf .kdc .dcr "
            ".mrw .iiq .mef .mos"
        ),
        _RAW,
    ),
    **dict.fromkeys((".svg", ".svgz"), _VECTOR),
    **dict.fromkeys((".pdf",), _PDF),
    **dict.fromkeys((".jxl",), _JPEG_XL),
    **dict.fromkeys((".psd", ".psb"), _PHOTOSHOP),
    **dict.fromkeys((".ico", ".icns", ".cur"), _ICON),
    **dict.fromkeys((".eps", ".ps", ".ai"), _POSTSCRIPT),
    **dict.fromkeys(
        _endings(".xcf .tga .pcx .ppm .pgm .pbm .pnm .exr .hdr .wmf .emf .djvu .dcm .jxr .wdp .qoi"), _OTHER
    ),
}

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RAW_MAKERS = (b"IIU\0", b"IIRO", b"IIRS", b"FUJIFILMCCD-RAW", b"FOVb")
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"))
_UNREAD_SIGNATURES = (
    *((maker, _RAW) for maker in _RAW_MAKERS),
    (b"%PDF-", _PDF),
    (b"\xff\x0a", _JPEG_XL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", _JPEG_XL),
    (b"8BPS", _PHOTOSHOP),
    (b"%!PS", _POSTSCRIPT),
    (b"\xc5\xd0\xd3\xc6", _POSTSCRIPT),
    (b"gimp xcf", _OTHER),
)
_PLAIN_ENDING = re.compile(r"\.[a-z0-9_+-]{1,12}")


def ending_of(name: str) -> str:
    """The ending of a file name in small letters, with its dot; `NO_ENDING` if it has none that looks like one."""
    stem, dot, last = name.rstrip().lower().rpartition(".")
    ending = f".{last}"
    if not dot or not stem or not _PLAIN_ENDING.fullmatch(ending):
        return NO_ENDING
    return f".tar{ending}" if stem.endswith(".tar") and f".tar{ending}" in ARCHIVE_ENDINGS else ending


def is_dull(ending: str) -> bool:
    """Whether files of this ending are neither pictures nor captions, so that none needs to be opened."""
    return ending in _DULL_ENDINGS


def image_format(head: bytes) -> str | None:
    """The format of the picture that begins with these bytes, as Pillow calls it; None if it is none that is read."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[4:8] == b"ftyp":
        return _iso_format(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(_TIFF):
        return None if head[8:10] == b"CR" else "TIFF"  # a CR2 begins as a TIFF
    # Two letters are little: a bitmap also says how long its own header is.
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 40, 52, 56, 64, 108, 124):
        return "BMP"
    return None


def why_unread(head: bytes, ending: str) -> str | None:
    """Why a picture of this content or ending cannot be read; None if it is no picture at all."""
    if head[8:10] == b"CR" and head.startswith(_TIFF[:2]):
        return _RAW
    if head[4:12] == b"ftypcrx ":
        return _RAW
    found = next((reason for signature, reason in _UNREAD_SIGNATURES if head.startswith(signature)), None)
    return found or _UNREAD_ENDINGS.get(ending)


def is_raw_ending(ending: str) -> bool:
    """Whether the ending is a camera's: such files often begin as a TIFF, with a small preview in it."""
    return _UNREAD_ENDINGS.get(ending) == _RAW


def in_words(head: bytes) -> str:
    """What a file is that was taken for a picture and is none, for the user to recognise it."""
    start = head.lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS in the place of a picture; fetch the pictures with `git lfs pull`"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, not a picture; download the picture again"
    if b"<svg" in start:
        return _VECTOR
    return (
        why_unread(head, NO_ENDING) or "not a picture (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC, JPEG 2000 are read)"
    )


def _iso_format(head: bytes) -> str | None:
    """AVIF, HEIF, or None for the other files that come in such boxes, as films do."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    return "HEIF" if brands[0] in _HEIF_BRANDS or _HEIF_BRANDS.intersection(brands[1:]) - {b"mif2"} else None
