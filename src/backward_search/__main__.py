"""What `python -m backward_search` does, and `python src/backward_search` in a clone where it is not installed."""

import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # run as a folder, whose modules are no packages of their own
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from backward_search.cli import DemoOptions, parse
from backward_search.cli.console import run_script, script_log
from backward_search.errors import OptionError

USAGE = """usage: python -m backward_search COMMAND [options]

Search images by a query image and a condition.

  demo        run every stage on a small data set that is drawn on the spot; --help shows its options

The stages themselves are the numbered scripts A0 to P1 of the repository; each has --help.
A program begins with `from backward_search import open_run`.
"""
DEMO = """Run every stage on the demo data set: prepare, train, embed, distil, evaluate, draw.

A second call skips what is done. It stops at the first step that fails.
Writes: data/glyphs/, weight/<run>/ and result/<run>/, of an installed package below the working directory.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command.

    Raises:
        OptionError: there is no such command.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "--help-all"):
        print(USAGE, end="")
        return
    if words[0] != "demo":
        raise OptionError(f"there is no command {words[0]}: demo is one; the stages are the numbered scripts")
    options = parse(DemoOptions, DEMO, words[1:], program="python -m backward_search demo")
    from backward_search.stages.demo import demo, is_clone

    with script_log(None, options, follows=is_clone()):
        demo(options)


if __name__ == "__main__":
    run_script(main)
