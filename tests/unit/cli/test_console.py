"""What a script says, and how it ends."""

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import pytest

from backward_search.cli.colours import BOLD, coloured
from backward_search.cli.console import COLUMNS, HEADLINE, LOG, LOGGED, NEXT, SHOWN, run_script, script_log
from backward_search.errors import UserError
from backward_search.storage.paths import PROJECT

TALKER = """
import sys
sys.path.insert(0, "src")
from dataclasses import dataclass
from backward_search.cli.console import LOG, run_script, script_log

@dataclass
class Options:
    word: str = ""
    other: int = 3

def main():
    with script_log(None, Options("x")):
        for number in range(20_000):
            LOG.info("line %d of many that fill the pipe", number)

run_script(main)
"""


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_script_whose_reader_is_gone_ends_without_a_word():
    command = [sys.executable, "-c", TALKER]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as talker:
        assert talker.stdout.readline() == b"-c\n"
        talker.stdout.close()
        said = talker.stderr.read()
        assert talker.wait(20) == 141
    assert said == b""


def test_a_script_that_is_read_to_its_end_says_all():
    done = subprocess.run([sys.executable, "-c", TALKER], cwd=PROJECT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 20_003
    assert lines[1] == "settings: word=x"
    assert lines[-1].startswith("finished in ")


@dataclass
class Options:
    word: str = ""
    other: int = 3

    @property
    def about(self):
        return "Do it"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/somewhere/B1.py", "--word", "x"])
    return tmp_path


def test_the_console_is_told_what_is_unusual_and_the_file_all(here, capsys):
    with script_log(here / "run.log", Options("x")):
        LOG.info("for the console", extra=SHOWN)
        LOG.info("for the file", extra=LOGGED)
    shown = capsys.readouterr().out.splitlines()
    assert shown[:-1] == ["Do it", "settings: word=x", "for the console"]
    logged = [line[20:] for line in (here / "run.log").read_text().splitlines()]
    assert logged[:-1] == ["B1.py --word x", "word=x, other=3", "for the file"]


def test_options_as_usual_are_not_listed(here, capsys):
    with script_log(None, Options()):
        pass
    first, last = capsys.readouterr().out.splitlines()
    assert first == "Do it"
    assert last.startswith("finished in ")


@pytest.mark.parametrize("follows", [True, False])
def test_the_next_command_is_said_last_and_once(here, capsys, follows):
    with script_log(here / "run.log", Options(), follows=follows):
        LOG.info("next: python C1.py", extra=NEXT)
        LOG.info("wrote x")
    for said in (capsys.readouterr().out, (here / "run.log").read_text()):
        assert said.count("next: ") == follows
        assert said.rstrip().endswith("next: python C1.py") == follows


def test_lines_are_folded_and_paths_begin_here(here, capsys):
    with script_log(here / "run.log", Options()):
        LOG.warning("%s is bad", here / "a b.csv")
        LOG.info(" ".join(["word"] * 50))
        LOG.info("wrote %s beside /other%s/b.csv", here / ("x" * 200), here)
    shown = capsys.readouterr().out.splitlines()[1:-1]
    assert shown[0] == "warning: a b.csv is bad"
    assert all(len(line) <= COLUMNS for line in shown[1:-1])
    assert [line.startswith("  ") for line in shown[1:-1]] == [False, True, True]
    assert shown[-1] == f"wrote {'x' * 200} beside /other{here}/b.csv"
    assert " ".join(["word"] * 50) in (here / "run.log").read_text()


@pytest.fixture
def interrupts():
    """Ctrl-C is Python's own; a shell may have it ignored for what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colours_are_for_terminals_whose_user_wants_them(monkeypatch):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "name", "posix")
    assert coloured("x", BOLD, Terminal()) == "\x1b[1mx\x1b[0m"
    assert coloured("x", BOLD, io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured("x", BOLD, Terminal()) == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert coloured("x", BOLD, Terminal()) == "x"


def test_headlines_and_warnings_alone_have_a_colour(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Terminal())
    with script_log(None, Options()):
        LOG.info("the figure", extra=HEADLINE)
        LOG.info("a word")
        LOG.warning("a doubt")
        said = sys.stdout.getvalue().splitlines()
    assert said[1:] == ["\x1b[1mthe figure\x1b[0m", "a word", "\x1b[33mwarning: a doubt\x1b[0m"]


def test_an_interrupt_that_a_library_drops_still_ends_the_script(capsys, interrupts):
    def main():
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        raise ValueError("could not determine the shape of an object")

    with pytest.raises(SystemExit) as ended:
        run_script(main)
    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("interrupted: run the same command again")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_without_an_interrupt_is_shown():
    def main():
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        run_script(main)


def test_letters_that_the_output_does_not_know_are_written_as_numbers():
    program = "from backward_search.cli.console import run_script; run_script(lambda: print('± Ж'))"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\\xb1 \\u0416\n", "")


def test_a_script_that_is_refused_leaves_no_folder_behind(tmp_path):
    file = tmp_path / "weight" / "run" / "run.log"
    with pytest.raises(UserError), script_log(file, Options()):
        raise UserError("there is nothing")
    assert not list(tmp_path.iterdir())
    with suppress(UserError), script_log(file, Options()):
        (file.parent / "half").touch()
        raise UserError("not whole")
    assert {each.name for each in file.parent.iterdir()} == {"half", "run.log"}
