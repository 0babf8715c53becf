"""Scripts as processes of their own that start at once: each is forked from one that has imported everything.

    python workshop.py PROJECT [MODULE ...]

reads jobs as lines of JSON and answers each with a line. `Workshop` is its other end.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True)
class Done:
    """How a process ended.

    Attributes:
        code: its exit code; minus the signal that ended it.
        said: what it printed.
        errors: the lines on its standard error.
        seconds: that it ran.
    """

    code: int
    said: str
    errors: list[str]
    seconds: float

    @property
    def refused(self) -> bool:
        """Whether it refused in one line, with the exit code for that."""
        return self.code == 2 and len(self.errors) == 1 and self.errors[0].startswith("error: ")


class Job:
    """A process that is under way."""

    def __init__(self, workshop: "Workshop", pid: int, place: Path) -> None:
        self._workshop, self.pid, self._place = workshop, pid, place

    def send(self, number: int) -> None:
        """A signal to the process alone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def send_all(self, number: int) -> None:
        """A signal to the process and to all that it started, as a terminal sends it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def wait(self) -> Done:
        answer = self._workshop.ask({"wait": self.pid})
        files = [self._place.with_suffix(end) for end in (".out", ".err")]  # none if it was killed before it began
        said, errors = (file.read_text(errors="replace") if file.exists() else "" for file in files)
        return Done(answer["code"], said, [line for line in errors.splitlines() if line.strip()], answer["seconds"])

    @property
    def company(self) -> bool:
        """Whether any process of its group is there."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


class Workshop:
    """Starts scripts."""

    def __init__(self, folder: Path, *modules: str) -> None:
        """Begin one that has imported further modules too."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._count = folder, 0
        self._log = (folder / "workshop.log").open("w")
        words = [sys.executable, __file__, str(PROJECT), *modules]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env=ENVIRONMENT
        )
        self.ask({})

    def ask(self, job: dict) -> dict:
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, name: str, words: list[str], before: str = "", env: dict | None = None) -> Job:
        """Start a script; `before` is Python that is run first."""
        self._count += 1
        place = self._folder / f"job{self._count}"
        job = {"start": name, "words": words, "place": str(place), "before": before, "env": env or {}}
        return Job(self, self.ask(job)["pid"], place)

    def run(self, name: str, words: list[str], before: str = "") -> Done:
        return self.start(name, words, before).wait()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._log.close()


def library(words: list[str]) -> None:
    """What a program does that searches a run: every method that it can."""
    from backward_search import open_run
    from backward_search.cli.console import run_script

    given = dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2], strict=True))
    name, places = given.pop("dataset_name"), {key: given.pop(key) for key in ("data_root", "weight_root")}
    given = {key: int(value) if value.isdigit() else value for key, value in given.items()}

    def search() -> None:
        searcher = open_run(name, **places, **given)
        attribute, labels = next(iter(searcher.labels.items()))
        for method in ("teacher", "class_shift", "concept_null", "context"):
            found = searcher.search(searcher.gallery[:3], f"{attribute}={labels[0]}", method=method, k=5)
            print(method, found.keys, found.scores.tolist())

    run_script(search)


def _main_of(name: str):
    if name == "LIB":
        return library
    from scripts_by_name import script

    return script(name)


def _child(job: dict) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, end in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(job["place"] + end, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(job["env"])
    sys.argv = [job["start"], *job["words"]]
    exec(job["before"], {})
    from backward_search.cli.console import run_script

    main = _main_of(job["start"])
    run_script(lambda: main(job["words"]))


def _started(job: dict) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _child(job)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left to do is the workshop's own
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve(modules: list[str]) -> None:
    names = ("matplotlib.figure", "pandas", "sklearn.model_selection", "scipy.special", "torch.utils.tensorboard")
    for name in (
        *names,
        "torch.utils.data",
        "faiss",
        "backward_search.library.searcher",
        "backward_search.stages.train",
        *modules,
    ):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    started: dict[int, float] = {}
    for line in sys.stdin:
        job, answer = json.loads(line), {}
        if "start" in job:
            answer["pid"] = _started(job)
            started[answer["pid"]] = time.monotonic()
        elif "wait" in job:
            status = os.waitpid(job["wait"], 0)[1]
            answer["code"] = os.waitstatus_to_exitcode(status)
            answer["seconds"] = time.monotonic() - started.pop(job["wait"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.path[:0] = [str(Path(sys.argv[1]) / "src"), str(Path(sys.argv[1]) / "tests")]
    _serve(sys.argv[2:])
