"""All the runs that can be explored, and their parts as the page shows them; still without Gradio."""

import urllib.parse
from dataclasses import replace
from pathlib import Path

from backward_search.errors import OptionError
from backward_search.explorer.engine import Engine, View, captions
from backward_search.explorer.pictures import Map, Thumbnails
from backward_search.explorer.runs import trained_runs
from backward_search.explorer.state import State, from_link
from backward_search.explorer.uploads import Uploads
from backward_search.files.paths import explorer_uploads
from backward_search.options import ExploreOptions

BROWSED = 12
"""Images of the gallery that are shown to start from."""


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
        """The runs as the menu shows them, and their names; alike ones are shown by name."""
        words = {
            name: f"{own.dataset_name}, {own.category_type}, {own.encoder_model}, {own.num_epoch} epochs"
            for name, own in self.runs.items()
        }
        alike = [word for word in words.values() if list(words.values()).count(word) > 1]
        return [(name if word in alike else word, name) for name, word in words.items()]

    def engine(self, run: str) -> Engine:
        """The engine of a run.

        Raises:
            OptionError: there is no such run.
        """
        if run not in self.runs:
            raise OptionError(f"there is no run {run!r} here")
        if run not in self._engines:
            self._engines[run] = Engine(self.runs[run], self.uploads)
        return self._engines[run]

    def map(self, run: str) -> Map:
        """The map of a run."""
        if run not in self._maps:
            self._maps[run] = Map(self.engine(run))
        return self._maps[run]

    def start(self, link: str) -> State:
        """The state of a link, or of the page as it first is."""
        pairs = urllib.parse.parse_qsl(link)
        state = from_link(pairs) if pairs else State(next(iter(self.runs)))
        state = state if state.run else replace(state, run=next(iter(self.runs)))
        return self.engine(state.run).checked(state)

    def images(self, state: State, view: View) -> list[tuple[str, str]]:
        """The hits as a gallery shows them."""
        engine = self.engine(state.run)
        files = [self.thumbnails.of(state.run, engine.image(hit.row), hit.row, meets=hit.meets) for hit in view.found]
        return list(zip(files, captions(view.found), strict=True))

    def browsed(self, state: State) -> tuple[list[tuple[str, str]], list[int]]:
        """Some images of the gallery to start from: those from the query's on."""
        engine = self.engine(state.run)
        start = int(engine.rows.searchsorted(state.query)) // BROWSED * BROWSED
        rows = [int(row) for row in engine.rows[start : start + BROWSED]]
        return [(self.thumbnails.of(state.run, engine.image(row), row), str(row)) for row in rows], rows

    def query(self, state: State) -> str:
        """The query's thumbnail."""
        engine = self.engine(state.run)
        name = state.upload or state.query
        return self.thumbnails.of(state.run, engine.query_image(state), name)
