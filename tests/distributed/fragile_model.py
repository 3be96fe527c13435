"""A model that ends its process at certain pictures."""

import os
from collections.abc import Sequence
from pathlib import Path

from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.progress import Progress
from tests.gallery.fake_model import FakeModel, Pictures


class FragileModel(FakeModel):
    """Ends its process, unless it is `here`, when it is given a picture whose name begins with "poison"."""

    here = 0

    def encode_image_files(
        self, paths: Sequence[Path], *, progress: Progress | None = None, reader: ImageReader = PLAIN
    ) -> Pictures:
        if os.getpid() != self.here and any(path.name.startswith("poison") for path in paths):
            os._exit(1)
        return super().encode_image_files(paths, progress=progress, reader=reader)
