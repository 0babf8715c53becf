"""What a script says while it runs: one log, and one way to fail."""

import dataclasses
import errno
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from backward_search.errors import DataError, UnreadableError, UserError
from backward_search.progress import is_follower

LOG = logging.getLogger("backward_search")
_NEXT = re.compile(r"(?:^|; )next: python .*", re.DOTALL)
CLOSED = 141
"""The exit code of a program whose reader is gone, as shells give it for SIGPIPE."""


class Console(logging.StreamHandler[TextIO]):
    """Lines above the progress bars; where nobody reads them any more, as behind `| head`, the script ends."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line.

        Raises:
            BrokenPipeError: nobody reads.
        """
        try:
            tqdm.write(self.format(record), file=self.stream)
            self.flush()
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)


@contextmanager
def script_log(file: Path | None, options: Any) -> Iterator[None]:
    """Log to the console and, where there is one, to `file`: first command and configuration, last the seconds.

    Of the processes that torchrun starts only the first one does; the others are silent but for warnings.

    Args:
        file: the `run.log` beside what the script works on; None leaves no trace on disk.
        options: the script's options dataclass.
    """
    console = Console(sys.stdout)
    console.setFormatter(logging.Formatter("%(message)s"))
    handlers: list[logging.Handler] = [console]
    if file is not None and not is_follower():
        file.parent.mkdir(parents=True, exist_ok=True)
        record = logging.FileHandler(file, encoding="utf-8")
        record.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
        handlers.append(record)
    for handler in handlers:
        LOG.addHandler(handler)
    LOG.setLevel(logging.WARNING if is_follower() else logging.INFO)
    LOG.propagate = False
    start = time.perf_counter()
    try:
        LOG.info("%s", _hidden(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]), options))
        values = {name: value for name, value in dataclasses.asdict(options).items() if value != {}}
        LOG.info("%s", _hidden(", ".join(f"{name}={value}" for name, value in values.items()), options))
        yield
        LOG.info("finished in %.1f s", time.perf_counter() - start)
    finally:
        for handler in handlers:
            LOG.removeHandler(handler)
            handler.close()


def _hidden(line: str, options: Any) -> str:
    """The line without the values of options that are secret."""
    for each in dataclasses.fields(options):
        value = str(getattr(options, each.name))
        if each.metadata.get("secret") and value:
            line = line.replace(value, "(hidden)")
    return line


@contextmanager
def without_next() -> Iterator[None]:
    """Of a script that runs several stages: what each says of the command that comes next is left out of the log."""
    handlers = list(LOG.handlers)
    for handler in handlers:
        handler.addFilter(_cut_next)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_cut_next)


def _cut_next(record: logging.LogRecord) -> bool:
    said = record.getMessage()
    record.msg, record.args = _NEXT.sub("", said), ()
    return not said or bool(record.msg)


@contextmanager
def skippable() -> Iterator[None]:
    """Of a script that may leave pictures out: say so where one cannot be read.

    Raises:
        DataError: one cannot be read.
    """
    try:
        yield
    except UnreadableError as error:
        raise DataError(f"{error}, or pass --skip_unreadable True") from None


def run_script(main: Callable[[], object]) -> None:
    """Run a script's `main` and leave with its exit code: 0, or 2 with one line for what a user can cause."""
    try:
        main()
    except UserError as error:
        sys.exit(_one_line(str(error)))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to say is said to nobody
        sys.exit(CLOSED)
    except OSError as error:
        problem = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        full = ": make room and run the same command again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        sys.exit(_one_line(problem + full))
    except KeyboardInterrupt:
        advice = "run the same command again, without --overwrite; it goes on from what was kept"
        print(f"interrupted: {advice}", file=sys.stderr)
        sys.exit(130)


def _one_line(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
