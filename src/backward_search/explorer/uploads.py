"""Images that a user drops in: checked, made anew from their pixels, and kept under their hash for links."""

import hashlib
import io
import re
from pathlib import Path

from backward_search.data.opening import MAX_PIXELS, Opening
from backward_search.errors import DataError
from backward_search.images.kinds import kind_of
from backward_search.images.opening import open_picture
from backward_search.storage.atomic import replacing

SIDE = 1024
"""The longest side that is kept."""


class Uploads:
    """A folder of them."""

    def __init__(self, folder: Path, megabytes: int, max_pixels: int = MAX_PIXELS) -> None:
        """Keep them in `folder`; take files of at most so many megabytes, and pictures of so many pixels."""
        self._folder, self._megabytes = folder, megabytes
        self._opening = Opening(None, max_pixels)  # transparency is kept: each run has a background of its own

    def take(self, file: Path) -> str:
        """Keep an image.

        Returns:
            What it is called from now on.

        Raises:
            DataError: it is too large, or no image.
        """
        size = file.stat().st_size
        if size > self._megabytes * 10**6:
            raise DataError(f"the file has {size / 1e6:.0f} MB: the most is {self._megabytes} MB")
        kind = kind_of(file)  # its name tells it too
        if kind is not None and kind.remedy:
            raise DataError(f"the file is {kind.one}: {kind.remedy}")
        upright = open_picture(file.read_bytes(), opening=self._opening)
        upright.thumbnail((SIDE, SIDE))
        data = io.BytesIO()
        upright.save(data, "PNG")
        name = hashlib.sha256(data.getvalue()).hexdigest()
        place = self._place(name)
        if not place.exists():
            with replacing(place) as temporary:
                temporary.write_bytes(data.getvalue())
        return name

    def find(self, name: str) -> Path:
        """The file of an image that was kept.

        Raises:
            DataError: there is none of this name.
        """
        if not re.fullmatch(r"[0-9a-f]{64}", name) or not self._place(name).exists():
            raise DataError("the image of this link is not here: drop it in again")
        return self._place(name)

    def _place(self, name: str) -> Path:
        return self._folder / f"{name}.png"
