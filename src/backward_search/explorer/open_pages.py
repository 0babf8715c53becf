"""What Gradio keeps of each open page, and how it is kept from growing."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

EVERY_SECONDS, OLD_SECONDS = 60, 600
"""How often files are looked through, and how old those are that go."""
UPLOADED = 5000
"""Names of uploaded files that are kept before those that are gone are left out."""


class OpenPages:
    """The pages that are open, by their sessions, and the files that lie between them and the server."""

    def __init__(self, page: Any, folder: Path) -> None:
        """Those of a page of Gradio's, and of its folder."""
        self._page, self._folder, self._next = page, folder, 0.0

    def forget(self, session: str) -> None:
        """Keep nothing more of one."""
        page = self._page
        kept = (page.state_holder.session_data, page.state_holder.time_last_used)
        for each in (*kept, page._queue.pending_messages_per_session, page._queue.pending_event_ids_session):
            each.pop(session, None)

    def tidy(self, session: str) -> None:
        """Leave out the parts of one that have been replaced.

        An update makes a part anew, under a number of its own; when the part is used, Gradio enters it under that one
        too, and never takes it out: some 30 kB for each event.
        """
        state = self._page.state_holder.session_data.get(session)
        if state is not None and state.blocks_config is not self._page.default_config:
            for kept in (state.blocks_config.blocks, state.config_values):
                for number in [number for number in kept if number not in self._page.blocks]:
                    del kept[number]

    def clean(self) -> None:
        """Delete what is old, every now and then: uploaded files are long taken, figures shown.

        Gradio would too, but its task ends where a file comes while it looks.
        """
        now = time.time()
        if now < self._next:
            return
        self._next = now + EVERY_SECONDS
        for file in list(self._folder.glob("*/*")):
            with suppress(OSError):
                if file.lstat().st_mtime < now - OLD_SECONDS:
                    file.unlink()
                    file.parent.rmdir()  # where it was the last
        if len(self._page.upload_file_set) > UPLOADED:
            self._page.upload_file_set -= {file for file in self._page.upload_file_set if not Path(file).exists()}
