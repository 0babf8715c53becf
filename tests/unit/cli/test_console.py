"""What a script says, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from backward_search.cli.console import run_script
from backward_search.storage.paths import PROJECT

TALKER = """
import sys
sys.path.insert(0, "src")
from dataclasses import dataclass
from backward_search.cli.console import LOG, run_script, script_log

@dataclass
class Options:
    word: str = "x"

def main():
    with script_log(None, Options()):
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
    assert lines[1] == "word=x"
    assert lines[-1].startswith("finished in ")


def test_an_interrupt_that_a_library_drops_still_ends_the_script(capsys):
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
