"""All the runs that can be explored, and their parts as the page shows them; still without Gradio."""

import logging
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, islice
from pathlib import Path

from backward_search.data import registry
from backward_search.data.opening import MAX_PIXELS
from backward_search.errors import DataError, OptionError, UserError
from backward_search.explorer.explored import ExploredRun, ViewSettings
from backward_search.explorer.pictures import Map, Thumbnails
from backward_search.explorer.runs import trained_runs
from backward_search.explorer.sample import sample
from backward_search.explorer.state import Choice, State, asks, from_link
from backward_search.explorer.uploads import Uploads
from backward_search.once import Once
from backward_search.runs.names import RunName
from backward_search.runs.run import Run
from backward_search.storage.paths import explorer_uploads, rooted
from backward_search.visible import visible

LOG = logging.getLogger(__name__)

Drawing = Callable[[RunName, Mapping[str, object]], Path]

BROWSED = 12
"""Images of the gallery that are shown at once, to start from."""

MADE_READY = 6
"""Pairs of attributes, of which conditions are made ready before they are asked for."""


@dataclass(frozen=True)
class Places:
    """Where runs, data sets and pictures lie."""

    weight_root: str
    data_root: str
    result_root: str


class Explorer:
    """The runs that can be chosen, each loaded when it first is."""

    def __init__(
        self,
        places: Places,
        settings: ViewSettings,
        folder: Path,
        draw: Drawing,
        *,
        upload_mb: int = 20,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Find the runs.

        Args:
            places: where they lie.
            settings: what holds for every run.
            folder: of thumbnails.
            draw: draws the figure of a run under some options of E2, and gives its file.
            upload_mb: the largest image file that is taken, in megabytes.
            max_pixels: most pixels of a picture.

        Raises:
            OptionError: there are none.
        """
        self.runs = trained_runs(places.weight_root, places.data_root)
        if not self.runs:
            raise OptionError(f"no run with embeddings in {places.weight_root}: run B1 and C1 first, or make demo")
        self.thumbnails = Thumbnails(folder, max_pixels)
        gone = self.thumbnails.forget_upload
        self.uploads = Uploads(explorer_uploads(places.result_root), upload_mb, max_pixels, gone=gone)
        self._places, self._settings, self._draw = places, settings, draw
        self._loaded, self._maps, self._samples = Once(), Once(), Once()
        self.attributes = max(self._attributes(name) for name in self.runs.values())

    @property
    def roots(self) -> dict[str, str]:
        """By folder what it is called towards those who shall not know where it lies."""
        places = self._places
        roots = {"weight": places.weight_root, "data": places.data_root, "result": places.result_root}
        return {
            str(path): name for name, root in roots.items() for path in (root, rooted(root).resolve(), rooted(root))
        }

    def take(self, file: Path, client: str) -> str:
        """Keep an image from outside; what it is called from now on. The file is no longer needed.

        Raises:
            DataError: it is too large, or no image.
        """
        try:
            return self.uploads.take(file, client)
        finally:
            file.unlink(missing_ok=True)

    def names(self) -> list[tuple[str, str]]:
        """The runs as the menu shows them, and their names: as few words as tell them apart."""
        alone = [own.dataset_name for own in self.runs.values()]
        shown = []
        for own in self.runs.values():
            words = [own.dataset_name, own.category_type, own.encoder_model, f"{own.num_epoch} epochs"]
            shown.append(words[0] if alone.count(words[0]) == 1 else ", ".join(words))
        each = zip(shown, self.runs, strict=True)
        return [(visible(name if shown.count(word) > 1 else word), name) for word, name in each]

    def loaded(self, run: str) -> ExploredRun:
        """A run.

        Raises:
            OptionError: there is no such run.
            UserError: it cannot be loaded, as without the index of the chosen engine.
        """
        if run not in self.runs:
            raise OptionError(f"there is no run {run!r} here")
        return self._loaded(run, lambda: self._load(run))

    def figure(self, state: State) -> Path:
        """The file of E2's figure of a state.

        Raises:
            UserError: there is no condition, or it cannot be drawn.
        """
        return self._draw(self.runs[state.run], self.loaded(state.run).drawing(state))

    def _load(self, run: str) -> ExploredRun:
        opened = Run.open(self.runs[run], self._places.weight_root, self._places.data_root)
        return ExploredRun(opened, self._settings, self.uploads)

    def _attributes(self, name: RunName) -> int:
        entry = registry.find(name.dataset_name, self._places.data_root)
        return len(entry.attributes_of(name.category_type))

    @cached_property
    def first(self) -> str:
        """The first run that can be loaded; the log says what those before it lack.

        Raises:
            UserError: none can; what the last one lacks.
        """
        *others, last = self.runs
        for name in others:
            try:
                self.loaded(name)
            except UserError as error:
                LOG.warning("%s cannot be explored: %s", name, error)
            else:
                return name
        self.loaded(last)
        return last

    def answer_first(self) -> None:
        """Answer what the page begins with, so that nobody who opens it waits."""
        state = self.start("")
        self.loaded(state.run).view(state)

    def warm_up(self) -> None:
        """Have ready what a first condition on an attribute of the first run, or on two, needs, which takes seconds."""
        state = self.start("")
        explored = self.loaded(state.run)
        singly, pairs = [(name,) for name in explored.attributes], combinations(explored.attributes, 2)
        for names in [*singly, *islice(pairs, MADE_READY)]:
            choices = {name: Choice((explored.table.classes[name][0],)) for name in names}
            try:
                explored.view(replace(state, choices=choices))
            except UserError as error:  # whoever asks for it is told
                LOG.warning("a condition on %s: %s", " and ".join(names), error)
        LOG.info("conditions on %s are ready", ", ".join(explored.attributes))

    def map(self, run: str) -> Map:
        """The map of a run."""
        return self._maps(run, lambda: Map(self.loaded(run)))

    def start(self, link: str) -> State:
        """The state of a link; one that says nothing of what is searched gets the run's sample."""
        pairs = urllib.parse.parse_qsl(link)
        state = from_link(pairs)
        state = state if state.run else replace(state, run=self.first)
        explored = self.loaded(state.run)
        if not asks(pairs):
            own = self._samples(state.run, lambda: sample(explored, state.run))
            state = replace(state, query=own.query, choices=own.choices)
        if state.gallery is not None:
            state = replace(state, gallery=self.page_of(state, state.gallery))
        return explored.checked(state)

    def thumbnail(self, run: str, row: int) -> Path:
        """The file of the thumbnail of an image of a run's table.

        Raises:
            UserError: there is no such run or image.
        """
        explored = self.loaded(run)
        if not 0 <= row < len(explored.table):
            raise DataError(f"there is no image {row}: the last is {len(explored.table) - 1}")
        return self.thumbnails.of(run, explored.image(row), str(row))

    def uploaded(self, name: str) -> Path:
        """The file of the thumbnail of an image from outside.

        Raises:
            DataError: there is none of this name.
        """
        return self.thumbnails.of("upload", self.uploads.find(name), name)

    def browsed(self, state: State, first: int) -> list[int]:
        """The table rows of some images to start from: `BROWSED` of the gallery from its place `first` on."""
        return [int(row) for row in self.loaded(state.run).rows[first : first + BROWSED]]

    def place(self, state: State, first: int) -> str:
        """Which part of the gallery these are, in words."""
        total = len(self.loaded(state.run).rows)
        return f"images {first + 1:,} to {min(first + BROWSED, total):,} of {total:,}"

    def page_of(self, state: State, first: int | None = None) -> int:
        """Where the page of `BROWSED` images begins that has the query, or the place `first` of the gallery."""
        rows = self.loaded(state.run).rows
        place = int(rows.searchsorted(state.query)) if first is None else first
        return min(max(place, 0), len(rows) - 1) // BROWSED * BROWSED
