"""Images that a user drops in: checked, made anew from their pixels, and kept under their hash for links."""

import hashlib
import io
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from backward_search.data.opening import MAX_PIXELS, Opening
from backward_search.errors import DataError
from backward_search.images.kinds import kind_of
from backward_search.images.opening import open_picture
from backward_search.storage.atomic import replacing

SIDE = 1024
"""The longest side that is kept."""
MOST, OF_ONE = 2000, 50
"""Images that are kept, of everybody and of one client; the oldest go."""


class Uploads:
    """A folder of them."""

    def __init__(
        self,
        folder: Path,
        megabytes: int,
        max_pixels: int = MAX_PIXELS,
        *,
        most: int = MOST,
        of_one: int = OF_ONE,
        gone: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Keep them.

        Args:
            folder: where.
            megabytes: of the largest file that is taken.
            max_pixels: most pixels of a picture.
            most: images that are kept.
            of_one: those of one client since the server began.
            gone: is told which one is no longer kept.
        """
        self._folder, self._megabytes, self._most, self._of_one, self._gone = folder, megabytes, most, of_one, gone
        self._own: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._lock = threading.Lock()
        self._opening = Opening(None, max_pixels)  # transparency is kept: each run has a background of its own

    def take(self, file: Path, client: str = "") -> str:
        """Keep an image of a client's; where that makes too many, an older one goes.

        Returns:
            What it is called from now on.

        Raises:
            DataError: it is too large, or no image.
        """
        if not file.is_file():
            raise DataError("the file has not arrived whole: drop it in again")
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
        with self._lock:
            self._keep(name, data.getvalue())
            self._make_room(client, name)
        return name

    def _keep(self, name: str, data: bytes) -> None:
        place = self._place(name)
        if place.exists():
            place.touch()  # it is the newest now
            return
        with replacing(place) as temporary:
            temporary.write_bytes(data)

    def _make_room(self, client: str, newest: str) -> None:
        """Drop what is too much: of this client's own, and of all."""
        own = self._own.setdefault(client, OrderedDict())
        own[newest] = None
        own.move_to_end(newest)
        self._own.move_to_end(client)
        if len(own) > self._of_one:
            oldest, _ = own.popitem(last=False)
            if not any(oldest in others for others in self._own.values()):
                self._drop(oldest)
        if len(self._own) > self._most:
            self._own.popitem(last=False)  # its images are among the oldest of all
        kept = list(self._folder.glob("*.png"))
        if len(kept) > self._most:
            for place in sorted(kept, key=_age)[: len(kept) - self._most]:
                self._drop(place.stem)

    def _drop(self, name: str) -> None:
        self._place(name).unlink(missing_ok=True)
        self._gone(name)

    def find(self, name: str) -> Path:
        """The file of an image that was kept.

        Raises:
            DataError: there is none of this name.
        """
        if not re.fullmatch(r"[0-9a-f]{64}", name) or not self._place(name).exists():
            raise DataError("the image of this link is not here, or no longer: drop it in again")
        return self._place(name)

    def _place(self, name: str) -> Path:
        return self._folder / f"{name}.png"


def _age(file: Path) -> float:
    """When it was kept; one that is gone meanwhile is the oldest."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
