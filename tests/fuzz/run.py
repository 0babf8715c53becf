"""Fuzz the readers of foreign files, one target after the other, each in child processes. The README says how.

python tests/fuzz/run.py --target 'custom-*' --runs 100000
"""

import argparse
import fnmatch
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "src")]

from child import MEMORY, import_targets
from findings import keep
from state import State
from target import TARGETS

HANG = 5.0
"""Seconds of a processor that one input may take."""
AT_ONCE = 20_000
"""Inputs of one child: what a reader does not give back is given back with the process."""
LOOK, SAY = 0.25, 15.0
"""Seconds between two looks at a child, and between two lines."""
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Count:
    """What was done on a target, and what came of it."""

    target: str
    way: str = "mutation"
    inputs: int = 0
    seconds: float = 0.0
    refused: int = 0
    accepted: int = 0
    findings: int = 0
    crashes: int = 0

    def line(self) -> str:
        """The count in a line of the table."""
        numbers = f"{self.inputs:>9,} {self.seconds:>8.0f} {self.refused:>9,} {self.accepted:>9,} {self.findings:>8}"
        return f"{self.target:<24} {self.way:<9} {numbers}"


HEADER = f"{'target':<24} {'way':<9} {'inputs':>9} {'seconds':>8} {'refused':>9} {'accepted':>9} {'findings':>8}"


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz; 1 where there is a finding."""
    options = _options(argv)
    import_targets()
    names = [name for name in sorted(TARGETS) if any(fnmatch.fnmatch(name, each) for each in options.target.split(","))]
    if options.list or not names:
        print("\n".join(sorted(TARGETS)))
        return 0 if options.list else 2
    if options.replay:
        return sum(_replay(name, options) for name in names)
    for name in names:
        _fuzz(name, options)
    print(_table(options.out))
    return int(any(_findings(options.out / name) for name in TARGETS))


def _fuzz(name: str, options: argparse.Namespace) -> None:
    """Bring a target to as many inputs as are wanted, from where an earlier call has left it."""
    folder = options.out / name
    count = _stored(folder, name, "guided" if options.guided else "mutation")
    began, before = time.monotonic(), count.seconds
    while count.inputs < options.runs and (not options.seconds or time.monotonic() - began < options.seconds):
        left = options.seconds - (time.monotonic() - began) if options.seconds else 0.0
        ended = _child(name, folder, count, options, left)
        count.seconds = before + time.monotonic() - began
        count.findings = len(_findings(folder))
        _store(folder, count)
        if not ended:
            break
    _say(count, end="\n")
    (options.out / "table.txt").write_text(_table(options.out) + "\n", encoding="utf-8")


def _child(name: str, folder: Path, count: Count, options: argparse.Namespace, left: float) -> bool:
    """Let one child work; False where another would be of no use."""
    work = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    state, report = State(work / "state", fresh=True), work / "report.txt"
    begun = Count(**asdict(count))
    words = ["--first", str(count.inputs), "--count", str(min(AT_ONCE, options.runs - count.inputs))]
    words += ["--seed", str(options.seed), *(["--guided"] if options.guided else [])]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "child.log").open("w") as log:
        child = subprocess.Popen(_command(name, work, folder, words), stdout=log, stderr=subprocess.STDOUT)
    ended, why = _watched(child, state, count, begun, left)
    _count(count, begun, state)
    seen = state.seen()
    if -child.returncode in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # somebody wants it to end
        shutil.rmtree(work, ignore_errors=True)
        return False
    if why or (child.returncode and seen.busy):
        count.inputs, count.crashes = count.inputs + 1, count.crashes + 1
        text = report.read_text(errors="replace") if report.exists() else ""
        keep(folder / "kept", f"{why or _signal(child.returncode)} {_native_place(text)}", state.content(), text)
    elif child.returncode and not ended:
        print(f"\n{name}: its child ended with {child.returncode}: see {folder / 'child.log'}")
        shutil.rmtree(work, ignore_errors=True)
        return False
    shutil.rmtree(work, ignore_errors=True)
    return True


def _watched(child: subprocess.Popen[bytes], state: State, count: Count, begun: Count, left: float) -> tuple[bool, str]:
    """Wait for a child: whether its time was over, and why it was ended, if for an input."""
    began = said = time.monotonic()
    least = 0
    while child.poll() is None:
        time.sleep(LOOK)
        seen, (seconds, memory) = state.seen(), _use(child.pid)
        least = least or (memory if seen.done else 0)
        if time.monotonic() - said > SAY:
            said = time.monotonic()
            _count(count, begun, state)
            _say(count)
        if left and time.monotonic() - began > left and seen.done:
            return _end(child, "over")
        if seen.busy and seconds - seen.began > HANG:
            return _end(child, "Hang")
        if least and memory > least + MEMORY:
            return _end(child, "Memory")
    return False, ""


def _end(child: subprocess.Popen[bytes], why: str) -> tuple[bool, str]:
    if why == "over":
        child.kill()
        child.wait()
        return True, ""
    child.send_signal(signal.SIGUSR1)  # it says where it is
    time.sleep(1.0)
    child.kill()
    child.wait()
    return False, why


def _use(process: int) -> tuple[float, int]:
    """Processor seconds and resident bytes of a process."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS, int(fields[21]) * PAGE
    except (OSError, IndexError):
        return 0.0, 0


def _count(count: Count, begun: Count, state: State) -> None:
    seen = state.seen()
    count.inputs, count.refused = begun.inputs + seen.done, begun.refused + seen.refused
    count.accepted = begun.accepted + seen.accepted


def _signal(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"


def _native_place(report: str) -> str:
    """The first line of the package in what a dying interpreter said."""
    lines = [line.strip() for line in report.splitlines() if line.strip().startswith("File ")]
    own = [line for line in lines if f"{os.sep}backward_search{os.sep}" in line]
    return (own or lines or ["?"])[0].rpartition(os.sep)[2]


def _command(name: str, work: Path, folder: Path, words: Sequence[str]) -> list[str]:
    (work / "files").mkdir(exist_ok=True)
    places = ["--work", work / "files", "--state", work / "state", "--kept", folder / "kept"]
    return [
        sys.executable,
        str(HERE / "child.py"),
        name,
        *map(str, places),
        "--report",
        str(work / "report.txt"),
        *words,
    ]


def _replay(name: str, options: argparse.Namespace) -> int:
    files = sorted((options.out / name / "kept").glob("*.input"))
    files = [options.input] if options.input else files
    if not files:
        return 0
    work = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    State(work / "state", fresh=True)
    words = ["--replay", *map(str, files)]
    done = subprocess.run(_command(name, work, options.out / name, words), capture_output=True, text=True)
    print(done.stdout, done.stderr)
    shutil.rmtree(work, ignore_errors=True)
    return done.stdout.count(": found") + done.stdout.count(": SIG")


def _findings(folder: Path) -> list[Path]:
    return sorted((folder / "kept").glob("*.txt"))


def _stored(folder: Path, name: str, way: str) -> Count:
    file = folder / f"{way}.json"
    return Count(**json.loads(file.read_text())) if file.exists() else Count(name, way)


def _store(folder: Path, count: Count) -> None:
    (folder / f"{count.way}.json").write_text(json.dumps(asdict(count)))
    with (folder.parent / "log.jsonl").open("a") as log:
        log.write(json.dumps(asdict(count)) + "\n")


def _table(out: Path) -> str:
    counts = [Count(**json.loads(file.read_text())) for file in sorted(out.glob("*/*.json"))]
    return "\n".join([HEADER, *(count.line() for count in counts)])


def _say(count: Count, end: str = "") -> None:
    if sys.stderr.isatty() or end:
        print(f"\r{count.line()}", end=end, file=sys.stderr, flush=True)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    out = Path(tempfile.gettempdir()) / "backward-search-fuzz"
    parser.add_argument("--target", default="*", help="names, with * for any letters, comma-separated; all by default")
    parser.add_argument("--runs", type=int, default=100_000, help="inputs of each target, earlier calls included")
    parser.add_argument("--seconds", type=float, default=0, help="seconds of each target at most; 0 for no limit")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--out", type=Path, default=out, help=f"where findings and counts go; {out} by default")
    parser.add_argument("--guided", action="store_true", help="by coverage, with atheris, instead of blindly")
    parser.add_argument("--replay", action="store_true", help="read the kept inputs once more, and say what they do")
    parser.add_argument("--input", type=Path, help="with --replay: this input")
    parser.add_argument("--list", action="store_true", help="list the targets")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
