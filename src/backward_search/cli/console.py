"""What a script says while it runs: one log, and one way to fail."""

import dataclasses
import errno
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO

from tqdm import tqdm

from backward_search.errors import DataError, UnreadableError, UserError
from backward_search.progress import is_follower
from backward_search.visible import visible

LOG = logging.getLogger("backward_search")
_NEXT = re.compile(r"(?:^|; )next: python .*", re.DOTALL)
CLOSED = 141
"""The exit code of a program whose reader is gone, as shells give it for SIGPIPE."""


class Console(logging.StreamHandler[TextIO]):
    """Lines above the progress bars; where nobody reads them any more, as behind `| head`, the script ends."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; how far a bar is, its drawing says already.

        Raises:
            BrokenPipeError: nobody reads.
        """
        if getattr(record, "drawn", False):
            return
        try:
            tqdm.write(self.format(record), file=self.stream)
            self.flush()
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)


class Plain(logging.Formatter):
    """Lines in which nothing that a label or a file is called does anything to a terminal, or looks like a line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        """The message, of one line unless it is passed with `visible.LINES`."""
        record.message = visible(record.message, lines=getattr(record, "lines", False))
        return super().formatMessage(record)


class Record(logging.FileHandler):
    """The log beside what a script works on; where the disk takes no more of it, the script goes on without."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        """Drop what could not be written; whatever else goes wrong is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        """Close the file; what is still to be written may be lost."""
        with suppress(OSError):
            super().close()


@contextmanager
def script_log(file: Path | None, options: Any) -> Iterator[None]:
    """Log to the console and, where there is one, to `file`: first command and configuration, last the seconds.

    Of the processes that torchrun starts only the first one does; the others are silent but for warnings.

    Args:
        file: the `run.log` beside what the script works on; None leaves no trace on disk.
        options: the script's options dataclass.
    """
    console = Console(sys.stdout)
    console.setFormatter(Plain("%(message)s"))
    handlers: list[logging.Handler] = [console]
    if file is not None and not is_follower():
        handlers += _recording(file)
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


def _recording(file: Path) -> list[logging.Handler]:
    """What writes the log to a file; nothing on a disk that can only be read, whose results are still to be had."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        record = Record(file, encoding="utf-8")
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        return []
    record.setFormatter(Plain("%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
    return [record]


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
        with _interrupts_noted() as interrupted:
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
        _interrupted()
    except Exception as error:
        if not interrupted and not _is_of_an_interrupt(error):
            raise
        _interrupted()


@contextmanager
def _interrupts_noted() -> Iterator[list[int]]:
    """Note each Ctrl-C: a library's C code may drop it, and fail otherwise for it."""
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        signal.default_int_handler(number, frame)

    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ours = ours and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        if ours and signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupted() -> NoReturn:
    advice = "run the same command again, without --overwrite; it goes on from what was kept"
    print(f"interrupted: {advice}", file=sys.stderr)
    sys.exit(130)


def _is_of_an_interrupt(error: BaseException | None) -> bool:
    """Whether an error is what a library made of Ctrl-C, as one that is being imported does."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _one_line(message: str) -> int:
    print(f"error: {visible(' '.join(message.split()))}", file=sys.stderr)
    return 2
