"""What a known layout consists of, where its official source is, and under what terms it is given.

Nothing is downloaded here: terms differ, some sources ask for a form, and some forbid passing pictures on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossgraph.errors import DataError


@dataclass(frozen=True)
class Guide:
    """`parts` are the files and folders of a layout with what each is; `source` and `terms` are for people to read."""

    title: str
    parts: Mapping[str, str]
    source: str
    terms: str

    def text(self) -> str:
        """The layout, its source and its terms in a few lines."""
        width = max(map(len, self.parts))
        lines = [f"  {part:<{width}}  {meaning}" for part, meaning in self.parts.items()]
        return "\n".join([f"{self.title}:", *lines, f"  source: {self.source}", f"  terms: {self.terms}"])


GUIDES: Mapping[str, Guide] = {
    "mirflickr": Guide(
        "MIRFlickr-25K",
        {
            "im1.jpg ... im25000.jpg": "the pictures, also in mirflickr/ or images/",
            "meta/tags/tags1.txt ...": "tags, one a line (meta/tags_raw with ?raw_tags=true); also in mirflickr/",
            "annotations/animals.txt ...": "24 labels and 14 *_r1; also called mirflickr25k_annotations_v080",
        },
        "https://press.liacs.nl/mirflickr/ (mirflickr25k.zip and mirflickr25k_annotations_v080.zip)",
        "pictures under Creative Commons licences of their photographers, listed in meta/license",
    ),
    "nuswide": Guide(
        "NUS-WIDE",
        {
            "ImageList/Imagelist.txt": "the pictures; TrainImagelist.txt and TestImagelist.txt for the splits",
            "Concepts81.txt": "the concepts, also in ConceptsList/; optional",
            "Groundtruth/AllLabels/Labels_*.txt": "0 or 1 a picture; or Groundtruth/TrainTestLabels",
            "NUS_WID_Tags/All_Tags.txt": "photo number and tags, one picture a line",
            "Flickr/actor/0001_2124494179.jpg ...": "the pictures, also flat in images/",
        },
        "https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide/NUS-WIDE.html",
        "for research; the pictures belong to their owners on Flickr and are given on request",
    ),
    "coco": Guide(
        "MS-COCO",
        {
            "annotations/captions_train2017.json": "captions, and captions_val2017.json; 2014 alike",
            "annotations/instances_train2017.json": "objects, from which the 80 labels; and instances_val2017.json",
            "train2017/*.jpg, val2017/*.jpg": "the pictures, also in images/",
        },
        "https://cocodataset.org/#download",
        "annotations under CC BY 4.0; pictures under the Flickr terms of their owners",
    ),
    "rsicd": Guide(
        "RSICD",
        {
            "dataset_rsicd.json": "captions and splits",
            "RSICD_images/*.jpg": "the pictures, also beside the file or in images/",
            "txtclasses_rsicd/*.txt": "file names of each class, from which the labels; optional",
        },
        "https://github.com/201528014227051/RSICD_optimal",
        "for research; the pictures come from Google Earth, Baidu Map, MapABC and Tianditu",
    ),
    "matrices": Guide(
        "Matrices of features and labels",
        {
            "raw_features.mat": "Wikipedia: I_tr, T_tr, I_te, T_te, with trainset_txt_img_cat.list, testset_...",
            "*-xall-*.mat, *-yall.mat, *-lall.mat": "DCMH's form: XAll, YAll, LAll, in one file or several",
            "train_img.mat, train_txt.mat, train_img_lab.mat": "DSCMR's form, and test_... alike",
            "NAME.toml or matrices.toml": "which variable is what, for any other file",
        },
        "Wikipedia: http://www.svcl.ucsd.edu/projects/crossmodal/ ; others with their authors' code",
        "as their authors say; features of pictures are mostly given for research only",
    ),
    "flickr": Guide(
        "Flickr8k or Flickr30k",
        {
            "Flickr8k.token.txt or results_20130124.token": "captions",
            "Flickr_8k.trainImages.txt, devImages, testImages": "splits of Flickr8k; optional",
            "Flicker8k_Dataset/*.jpg or flickr30k-images/*.jpg": "the pictures",
        },
        "https://hockenmaier.cs.illinois.edu/DenotationGraph/ (by request)",
        "for research; the pictures belong to their owners on Flickr",
    ),
    "karpathy": Guide(
        "Karpathy's splits of Flickr8k, Flickr30k or COCO",
        {
            "dataset_flickr8k.json, dataset_coco.json ...": "captions and splits",
            "images/*.jpg": "the pictures, also beside the file",
        },
        "https://cs.stanford.edu/people/karpathy/deepimagesent/",
        "captions as those of the data sets they are from",
    ),
}
"""Layout -> what is known of it."""


def missing_from(place: Path, layout: str, part: str) -> DataError:
    """The error for a layout of which `part` is missing, with all parts and where they are had."""
    return DataError(f"{place}: {part} is missing.\n{GUIDES[layout].text()}")
