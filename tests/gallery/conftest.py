"""Models that encode in no time, and folders of pictures to search."""

from pathlib import Path

import pytest

from tests.gallery.fake_model import FakeModel, draw_images


@pytest.fixture
def dense() -> FakeModel:
    """A model that scores by embedding."""
    return FakeModel("dense", fine=False)


@pytest.fixture
def model(dense: FakeModel) -> FakeModel:
    """A model that re-ranks what `dense` finds."""
    return FakeModel("fine", fine=True, shortlist=dense)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of twelve pictures without captions."""
    return draw_images(tmp_path / "pictures", 12)


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    """A folder of six pictures with two captions each, one of them shared by two pictures."""
    folder = draw_images(tmp_path / "captioned", 6)
    for index, path in enumerate(sorted(folder.glob("*.png"))):
        path.with_suffix(".txt").write_text(f"thing number {index}\nshape of kind {index // 2}\n", encoding="utf-8")
    return folder
