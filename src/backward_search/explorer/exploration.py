"""All the runs that can be explored, and their parts as the page shows them; still without Gradio."""

import logging
import urllib.parse
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from backward_search.cli import ExploreOptions
from backward_search.errors import DataError, OptionError, UserError
from backward_search.explorer.engine import Engine
from backward_search.explorer.pictures import Map, Thumbnails
from backward_search.explorer.runs import trained_runs
from backward_search.explorer.state import State, from_link
from backward_search.explorer.uploads import Uploads
from backward_search.storage.paths import explorer_uploads

LOG = logging.getLogger(__name__)

BROWSED = 12
"""Images of the gallery that are shown at once, to start from."""


class Explorer:
    """The runs that can be chosen, each loaded when it first is."""

    def __init__(self, options: ExploreOptions, folder: Path) -> None:
        """Find the runs; thumbnails go to `folder`.

        Raises:
            OptionError: there are none.
        """
        self.runs = trained_runs(options)
        if not self.runs:
            raise OptionError(f"no run with embeddings in {options.weight_root}: run B1 and C1 first, or make demo")
        self.uploads = Uploads(explorer_uploads(options.result_root), options.upload_mb)
        self.thumbnails = Thumbnails(folder)
        self._engines: dict[str, Engine] = {}
        self._maps: dict[str, Map] = {}
        self.attributes = max(len(run.attributes) for run in self.runs.values())

    def names(self) -> list[tuple[str, str]]:
        """The runs as the menu shows them, and their names: as few words as tell them apart."""
        alone = [own.dataset_name for own in self.runs.values()]
        shown = []
        for own in self.runs.values():
            words = [own.dataset_name, own.category_type, own.encoder_model, f"{own.num_epoch} epochs"]
            shown.append(words[0] if alone.count(words[0]) == 1 else ", ".join(words))
        return [(name if shown.count(word) > 1 else word, name) for word, name in zip(shown, self.runs, strict=True)]

    def engine(self, run: str) -> Engine:
        """The engine of a run.

        Raises:
            OptionError: there is no such run.
            UserError: it cannot be loaded, as without the index of the chosen engine.
        """
        if run not in self.runs:
            raise OptionError(f"there is no run {run!r} here")
        if run not in self._engines:
            self._engines[run] = Engine(self.runs[run], self.uploads)
        return self._engines[run]

    @cached_property
    def first(self) -> str:
        """The first run that can be loaded; the log says what those before it lack.

        Raises:
            UserError: none can; what the last one lacks.
        """
        *others, last = self.runs
        for name in others:
            try:
                self.engine(name)
            except UserError as error:
                LOG.warning("%s cannot be explored: %s", name, error)
            else:
                return name
        self.engine(last)
        return last

    def map(self, run: str) -> Map:
        """The map of a run."""
        if run not in self._maps:
            self._maps[run] = Map(self.engine(run))
        return self._maps[run]

    def start(self, link: str) -> State:
        """The state of a link, or of the page as it first is."""
        pairs = urllib.parse.parse_qsl(link)
        state = from_link(pairs) if pairs else State(self.first)
        state = state if state.run else replace(state, run=self.first)
        return self.engine(state.run).checked(state)

    def thumbnail(self, run: str, row: int) -> Path:
        """The file of the thumbnail of an image of a run's table.

        Raises:
            UserError: there is no such run or image.
        """
        engine = self.engine(run)
        if not 0 <= row < len(engine.table):
            raise DataError(f"there is no image {row}: the last is {len(engine.table) - 1}")
        return self.thumbnails.of(run, engine.image(row), str(row))

    def uploaded(self, name: str) -> Path:
        """The file of the thumbnail of an image from outside.

        Raises:
            DataError: there is none of this name.
        """
        return self.thumbnails.of("upload", self.uploads.find(name), name)

    def browsed(self, state: State, first: int) -> list[int]:
        """The table rows of some images to start from: `BROWSED` of the gallery from its place `first` on."""
        return [int(row) for row in self.engine(state.run).rows[first : first + BROWSED]]

    def page_of(self, state: State, first: int | None = None) -> int:
        """Where the page of `BROWSED` images begins that has the query, or the place `first` of the gallery."""
        rows = self.engine(state.run).rows
        place = int(rows.searchsorted(state.query)) if first is None else first
        return min(max(place, 0), len(rows) - 1) // BROWSED * BROWSED
