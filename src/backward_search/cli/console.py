"""What a script says while it runs: one log, and one way to fail."""

import dataclasses
import errno
import io
import logging
import os
import re
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO

from tqdm import tqdm

from backward_search.cli.colours import BAD, BOLD, DOUBTFUL, coloured
from backward_search.cli.definition import unusual
from backward_search.errors import DataError, UnreadableError, UserError
from backward_search.progress import is_follower
from backward_search.visible import visible

LOG = logging.getLogger("backward_search")
COLUMNS = 100
"""Of a line on the console; paths and commands may be longer."""
WHOLE = ("wrote ", "next: ", "python ")
"""What lines begin with that hold a path or a command, to be copied as they are."""
SHOWN, LOGGED = {"only": "console"}, {"only": "file"}
"""Passed as `extra` with what is for the console alone, or for the `run.log` alone."""
HEADLINE = {"headline": True}
"""Passed with the figures a script is run for."""
NEXT = {"next": True}
"""Passed with the command that comes next, which a script says last."""
CLOSED = 141
"""The exit code of a program whose reader is gone, as shells give it for SIGPIPE."""


class Console(logging.StreamHandler[TextIO]):
    """Lines above the progress bars; where nobody reads them any more, as behind `| head`, the script ends."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; how far a bar is, its drawing says already.

        Raises:
            BrokenPipeError: nobody reads.
        """
        if getattr(record, "drawn", False) or getattr(record, "only", "") == "file":
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


class Shown(Plain):
    """Such lines as people read them: not too long, paths as they are called from here, a little colour."""

    def __init__(self, stream: TextIO) -> None:
        """Of what is written to a stream."""
        super().__init__("%(message)s")
        self._stream = stream

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        """The message; further lines of one that is folded are indented."""
        text, doubtful = nearer(super().formatMessage(record)), record.levelno >= logging.WARNING
        text = f"warning: {text}" if doubtful else text
        if not text.startswith(WHOLE) and not getattr(record, "lines", False):
            text = folded(text)
        if doubtful:
            return coloured(text, DOUBTFUL, self._stream)
        return coloured(text, BOLD, self._stream) if getattr(record, "headline", False) else text


def folded(text: str) -> str:
    """The text in lines of at most `COLUMNS`, all but the first indented; a longer word stays whole."""
    return textwrap.fill(text, COLUMNS, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def nearer(text: str) -> str:
    """The text with paths below the working directory as they are called from there."""
    here = Path.cwd()
    if here == here.parent:
        return text
    return re.sub(rf"(?<![\w/\\.~-]){re.escape(f'{here}{os.sep}')}(?=[^\s/])", "", text)


class Last(logging.Filter):
    """Holds back the command that comes next."""

    held: logging.LogRecord | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is said at once."""
        if not getattr(record, "next", False):
            return True
        self.held = record
        return False


class Record(logging.FileHandler):
    """The log beside what a script works on; where the disk takes no more of it, the script goes on without."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless it is for the console alone."""
        if getattr(record, "only", "") != "console":
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        """Drop what could not be written; whatever else goes wrong is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        """Close the file; what is still to be written may be lost."""
        with suppress(OSError):
            super().close()


@contextmanager
def script_log(file: Path | None, options: Any, *, follows: bool = True) -> Iterator[None]:
    """Log to the console and, where there is one, to `file`.

    The console begins with what is about to be done and with the options that are not as usual, the file with the
    command and all options. Both end with the seconds and the command that comes next.

    Of the processes that torchrun starts only the first one does; the others are silent but for warnings.

    Args:
        file: the `run.log` beside what the script works on; None leaves no trace on disk.
        options: the script's options dataclass; its property `about`, if it has one, says what is about to be done.
        follows: whether a command that comes next is said.
    """
    console, last = Console(sys.stdout), Last()
    console.setFormatter(Shown(sys.stdout))
    console.addFilter(last)
    LOG.addHandler(console)
    LOG.setLevel(logging.WARNING if is_follower() else logging.INFO)
    LOG.propagate = False
    command = _hidden(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]), options)
    start = time.perf_counter()
    try:
        with recorded(file, options, command):
            if not is_follower():
                _begin(options, command)
            yield
            LOG.info("finished in %.1f s", time.perf_counter() - start)
            if last.held is not None and follows:
                last.held.next = False
                LOG.handle(last.held)
    finally:
        LOG.removeHandler(console)
        console.close()


def _begin(options: Any, command: str) -> None:
    """Say on the console what is about to be done, and by which options that are not as usual."""
    LOG.info("%s", options.about if hasattr(type(options), "about") else command, extra=SHOWN)
    if given := unusual(options):
        LOG.info("settings: %s", _hidden(_listed(given), options), extra=SHOWN)


@contextmanager
def recorded(file: Path | None, options: Any, command: str) -> Iterator[None]:
    """Write the log to a file too, first the command and all options; not the command that comes next until the end.

    Args:
        file: the `run.log`; None for none.
        options: the dataclass of the options.
        command: which command they were given to.
    """
    new = [] if file is None else [each for each in file.parents if not each.exists()]
    handlers = [] if file is None or is_follower() else _recording(file)
    for handler in handlers:
        handler.addFilter(lambda record: not getattr(record, "next", False))
        LOG.addHandler(handler)
    try:
        values = {name: value for name, value in dataclasses.asdict(options).items() if value != {}}
        LOG.info("%s", command, extra=LOGGED)
        LOG.info("%s", _hidden(_listed(values), options), extra=LOGGED)
        yield
    except UserError:
        _end(handlers)
        if file is not None and new:
            _remove_unused(file, new)
        raise
    finally:
        _end(handlers)


def _end(handlers: list[logging.Handler]) -> None:
    for handler in handlers:
        LOG.removeHandler(handler)
        handler.close()


def _remove_unused(file: Path, new: list[Path]) -> None:
    """Remove the log of a script that was refused, where its folder was made for it and has nothing else."""
    with suppress(OSError):
        if [*new[0].iterdir()] == [file]:
            file.unlink()
        for folder in new:
            folder.rmdir()


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # where it knows fewer letters than labels have
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
    print(f"{coloured('interrupted:', BAD, sys.stderr)} {advice}", file=sys.stderr)
    sys.exit(130)


def _is_of_an_interrupt(error: BaseException | None) -> bool:
    """Whether an error is what a library made of Ctrl-C, as one that is being imported does."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _one_line(message: str) -> int:
    print(coloured("error:", BAD, sys.stderr), nearer(visible(" ".join(message.split()))), file=sys.stderr)
    return 2
