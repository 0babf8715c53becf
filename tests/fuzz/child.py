"""The process that reads the inputs: it may die of them, and its parent goes on behind the input that it died of."""

import argparse
import faulthandler
import importlib
import random
import resource
import signal
import sys
import warnings
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "src")]

from mutation import MOST, Mutator
from state import State

MEMORY = 2**31
"""Bytes that a child may take beyond what it has taken once it is ready."""


def main() -> None:
    """Read inputs until there are enough, or the parent stops it."""
    arguments = _arguments()
    warnings.simplefilter("ignore")
    ready, text = _ready(arguments.target, arguments.work, guided=arguments.guided)
    from findings import outcome
    from watching import Watch

    watch = Watch(arguments.work)
    for seed in ready.seeds:  # what is imported late is imported now, and a seed has to be valid
        found = outcome(ready.read, seed, watch)
        if found.kind != "accepted":
            sys.exit(f"a seed of {arguments.target} is {found.kind}: {found.place}\n{found.text}")
    _limit()
    faulthandler.enable(arguments.report.open("w"))
    faulthandler.register(signal.SIGUSR1, arguments.report.open("a"))
    if arguments.replay:
        _replay(ready.read, arguments.replay, watch)
        return
    reader = _Reader(arguments, ready.read, watch)
    if arguments.guided:
        _guided(reader, ready.seeds, arguments)
        return
    mutator = Mutator(ready.seeds, ready.words, text=text)
    for number in range(arguments.first, arguments.first + arguments.count):
        rng = random.Random(arguments.seed * 2**40 + number)
        content = mutator.make(rng)
        if reader(content):
            mutator.keep(content, rng)


class _Reader:
    """Gives inputs to a target, counts what comes of them, and keeps what should not."""

    def __init__(self, arguments, read, watch) -> None:
        from findings import smaller

        self._state, self._read, self._watch, self._kept = State(arguments.state), read, watch, arguments.kept
        self._places: set[str] = set()
        self._smaller = smaller

    def __call__(self, content: bytes) -> bool:
        """Read one; whether it came where none has come before."""
        from findings import outcome

        state = self._state
        state.begin(content)
        found = outcome(self._read, content, self._watch)
        state.refused += found.kind == "refused"
        state.accepted += found.kind == "accepted"
        state.found += found.kind == "found"
        state.end()
        fresh = found.place not in self._places
        self._places.add(found.place)
        if fresh and found.kind == "found":
            self._keep(content, found)
        return fresh

    def _keep(self, content: bytes, found) -> None:
        from findings import keep, outcome

        if keep(self._kept, found.place, content, found.text):
            small = self._smaller(content, lambda part: outcome(self._read, part, self._watch).place == found.place)
            next(self._kept.glob(f"{_stem(found.place)}.input")).write_bytes(small)


def _stem(place: str) -> str:
    import hashlib

    return hashlib.sha1(place.encode(), usedforsecurity=False).hexdigest()[:10]


def _ready(name: str, work: Path, *, guided: bool):
    """The target, its modules watched by atheris where that guides."""
    from target import TARGETS

    if guided:
        import atheris

        with atheris.instrument_imports(include=["backward_search"]):
            import_targets()
    else:
        import_targets()
    chosen = TARGETS[name]
    return chosen.prepare(work), chosen.text


def import_targets() -> None:
    for file in sorted((HERE / "targets").glob("*.py")):
        importlib.import_module(f"targets.{file.stem}")


def _limit() -> None:
    with Path("/proc/self/statm").open() as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _replay(read, files: list[Path], watch) -> None:
    from findings import in_a_fork, outcome

    for file in files:
        content = file.read_bytes()
        end = in_a_fork(lambda content: outcome(read, content, watch), content)
        found = None if end else outcome(read, content, watch)
        print(f"{file}: {end or found.kind} {'' if found is None else found.place}\n{found.text if found else ''}")


def _guided(reader: _Reader, seeds, arguments) -> None:
    import atheris

    corpus = arguments.work.parent / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-runs={arguments.count}", f"-max_len={MOST}", f"-seed={arguments.seed + arguments.first + 1}"]
    options += [
        "-rss_limit_mb=0",
        "-handle_usr1=0",
        "-detect_leaks=0",
        "-timeout=100000",
        "-verbosity=0",
        "-len_control=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda content: reader(content[:MOST]) and None)
    atheris.Fuzz()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    for name in ("work", "state", "kept", "report"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("first", "count", "seed"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--guided", action="store_true")
    parser.add_argument("--replay", type=Path, nargs="*")
    return parser.parse_args()


if __name__ == "__main__":
    main()
