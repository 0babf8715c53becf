"""What A1 says while it runs, whatever it prepares."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from backward_search.cli.command_line import next_command
from backward_search.cli.console import LOG, NEXT, script_log
from backward_search.cli.generate_queries import QueryOptions
from backward_search.storage.paths import DataPaths


class Preparing(Protocol):
    """What this needs of the options."""

    @property
    def check_only(self) -> bool:
        """Whether nothing but the report is written."""

    @property
    def data(self) -> DataPaths:
        """Where the data set goes."""


@contextmanager
def preparing_log(options: Preparing) -> Iterator[None]:
    """The log of a run of A1, which ends with the command that comes next; one that only checks leaves no trace."""
    with script_log(None if options.check_only else options.data.log, options):
        yield
        if not options.check_only:
            LOG.info("next: %s", next_command(options, "A2.Query-Generating.py", QueryOptions), extra=NEXT)
