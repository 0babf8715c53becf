"""How a picture is opened, wherever it comes in: small values that A1, runs and the opener share."""

from dataclasses import dataclass
from typing import Any

WHITE = "#ffffff"
MAX_PIXELS = 2**29
"""Most pixels of a picture, unless others are asked for: two gigabytes once it is decoded. Pillow's own limit lies
below the largest scans of WikiArt."""


@dataclass(frozen=True)
class Opening:
    """How a picture is opened.

    Attributes:
        background: the colour that shows through a transparent picture, "#rrggbb"; None: it stays transparent.
        max_pixels: most pixels of a picture; a larger one is refused, by its header.
    """

    background: str | None = WHITE
    max_pixels: int = MAX_PIXELS

    @property
    def unusual(self) -> dict[str, Any]:
        """What is not as usual, as settings record it; older ones know of nothing else.

        >>> Opening(max_pixels=1000).unusual
        {'max_pixels': 1000}
        """
        usual = vars(Opening())
        return {name: value for name, value in vars(self).items() if value != usual[name]}


USUAL = Opening()
