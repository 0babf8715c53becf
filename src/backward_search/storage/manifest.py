"""The manifest of a stage: settings, inputs and versions of what lies beside it. It is written last."""

import json
import logging
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from backward_search.errors import DataError, MissingError, StaleError, UserError
from backward_search.storage.atomic import read_json, remove_leftovers, write_json, write_text
from backward_search.storage.hashing import file_hash
from backward_search.storage.lock import locked

LOG = logging.getLogger(__name__)


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in ("numpy", "torch", "pillow")
    }


def _differences(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} ({stored.get(key, 'absent')} stored, {wanted.get(key, 'absent')} asked for)"
        for key in sorted(stored.keys() | wanted.keys())
        if stored.get(key) != wanted.get(key)
    ]


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Read a manifest.

    Raises:
        DataError: the file is not one.
    """
    content: dict[str, dict[str, Any]] = read_json(path)
    parts = ("settings", "inputs", "outputs")
    found = [content.get(part) for part in parts] if isinstance(content, dict) else [None]
    hashes = [value for part in found[1:] if isinstance(part, dict) for value in part.values()]
    if not all(isinstance(part, dict) for part in found) or not all(isinstance(value, str) for value in hashes):
        raise DataError(f"{path} is not a manifest: delete it and run the stage that writes it again")
    return content


@dataclass
class Stage:
    """One unit of work with its outputs: skipped when done, refused when stale, recorded when finished.

    Attributes:
        name: the script that does the work, such as `C1.ModelTest.py`.
        manifest: where the record goes.
        settings: JSON-ready values on which the outputs depend.
        inputs: the files on which the outputs depend; their content is hashed.
        outputs: the files that have to exist for the stage to count as done.
        hashes: the SHA-256 of each input.
        _seen: the manifest as this process last saw it.
    """

    name: str
    manifest: Path
    settings: dict[str, Any]
    inputs: dict[str, Path]
    outputs: list[Path]
    hashes: dict[str, str] = field(init=False)
    _start: float = field(init=False)
    _withdrawn: bytes | None = field(init=False, default=None)
    _seen: bytes | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Hash the inputs as they are now, before any work is done on them."""
        self.settings = json.loads(json.dumps(self.settings))  # compared with what JSON gives back: no tuples
        self.hashes = {name: file_hash(path) for name, path in self.inputs.items()}
        self._start = time.perf_counter()
        self._seen = self._record

    @property
    def _record(self) -> bytes | None:
        """The manifest as it is; None where there is none."""
        try:
            return self.manifest.read_bytes()
        except OSError:
            return None

    def is_done(self, *, overwrite: bool) -> bool:
        """Whether the outputs of exactly these settings and inputs are already there.

        Raises:
            StaleError: there are outputs, but of other settings or inputs, or changed since they were written, and
                `overwrite` is False.
        """
        self._seen = self._record
        if overwrite or self._seen is None:
            return False
        stored = read_manifest(self.manifest)
        changed = _differences(stored["settings"], self.settings)
        changed += [f"input {line.split(' (')[0]}" for line in _differences(stored["inputs"], self.hashes)]
        if changed:
            raise StaleError(
                f"{self.manifest.parent} holds results of other settings, changed: {', '.join(changed)}: "
                "pass --overwrite True to replace them"
            )
        if not all(path.exists() for path in self.outputs):
            return False
        damaged = [name for name, value in stored["outputs"].items() if self._differs(name, value)]
        unknown = [name for path in self.outputs if (name := _name_of(path, self.manifest)) not in stored["outputs"]]
        if damaged := damaged + unknown:
            raise StaleError(
                f"{self.manifest.parent} holds {', '.join(damaged)} in another state than {self.name} left it: "
                "pass --overwrite True to make it again"
            )
        self._tidy()
        LOG.info("%s: already done with these settings and inputs, nothing to do", self.name)
        return True

    @property
    def _lock(self) -> Path:
        return self.manifest.parent / f".{self.manifest.stem}.lock"

    def _tidy(self) -> None:
        """Remove what a process left that was killed at doing again what was done; nobody else would."""
        if self._lock.exists():
            with suppress(UserError, OSError), self.alone():  # where another is at it, or nothing can be written, no
                pass

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Do the work while nobody else does the same.

        Where it fails for what a user can put right, and has changed no output, an older manifest is valid again.

        Raises:
            DataError: another process is at it, or has done it since this one looked.
        """
        folder = self.manifest.parent
        with locked(self._lock, f"another process is doing {self.name} for {folder}"):
            if self._record not in (None, self._seen):
                raise DataError(f"another process has just done {self.name} for {folder}: run the same command again")
            for each in {folder, *(path.parent for path in self.outputs)}:
                remove_leftovers(each)
            try:
                yield
            except (UserError, OSError):
                self._restore()
                raise

    def begin(self) -> None:
        """Withdraw an older manifest, so that half-written outputs never look finished."""
        if self.manifest.exists():
            self._withdrawn = self.manifest.read_bytes()
            self.manifest.unlink()

    def _restore(self) -> None:
        """Put back the manifest that `begin` withdrew, if all is still as it says."""
        if self._withdrawn is None or self.manifest.exists():
            return
        with suppress(UserError, OSError, ValueError, KeyError, AttributeError, TypeError):
            if self._same(json.loads(self._withdrawn)["outputs"]):
                write_text(self.manifest, self._withdrawn.decode())

    def _same(self, outputs: Mapping[str, str]) -> bool:
        folder = self.manifest.parent
        return all(file_hash(folder / name, noting=True) == value for name, value in outputs.items())

    def finish(self, beside: Sequence[Path] = (), **facts: Any) -> Path:
        """Write the manifest.

        Args:
            beside: further files that are recorded like the outputs, where they are there.
            facts: further things worth knowing, such as seed and shapes.
        """
        outputs = [*self.outputs, *(path for path in beside if path.exists())]
        written = write_json(
            self.manifest,
            {
                "stage": self.name,
                "settings": self.settings,
                "inputs": self.hashes,
                "outputs": {_name_of(path, self.manifest): file_hash(path, noting=True) for path in outputs},
                **facts,
                "versions": _versions(),
                "seconds": round(time.perf_counter() - self._start, 3),
            },
        )
        self._seen = self._record
        return written

    def _differs(self, name: str, value: str) -> bool:
        """Whether a file that is there is not the one that was recorded; what was made beside may have gone."""
        path = self.manifest.parent / name
        try:
            return path.exists() and file_hash(path, noting=True) != value
        except OSError:  # a folder, or a name that no disk holds
            return True


def _name_of(path: Path, manifest: Path) -> str:
    """How a manifest calls a file."""
    return path.relative_to(manifest.parent).as_posix()


def refuse_stale(manifest: Path, inputs: Mapping[str, Path], remedy: str) -> None:
    """Refuse outputs whose inputs have changed since they were made.

    Args:
        manifest: of the stage that made the outputs.
        inputs: some of its inputs, by the names it recorded them under, as they are now.
        remedy: what to do.

    Raises:
        MissingError: an input is gone.
        StaleError: one has another content now.
    """
    for path in inputs.values():
        if not path.exists():
            raise MissingError(f"{path} does not exist: {remedy}")
    stored = read_manifest(manifest)["inputs"]
    changed = [name for name, path in inputs.items() if stored.get(name) != file_hash(path, noting=True)]
    if changed:
        raise StaleError(f"the {', '.join(changed)} changed since {manifest} was written: {remedy}")


def is_there(manifest: Path, file: Path, remedy: str) -> bool:
    """Whether a file that a stage may have written, or not, is there as it was written; see `refuse_changed`.

    Raises:
        MissingError: the manifest records it, and it is gone.
        DataError: it is another.
    """
    recorded = manifest.exists() and _name_of(file, manifest) in read_manifest(manifest)["outputs"]
    if recorded:
        refuse_changed(manifest, [file], remedy)
    return recorded or file.exists()


def refuse_changed(manifest: Path, files: Iterable[Path], remedy: str) -> bool:
    """Refuse files that are not as the stage left them that wrote them: damaged, cut off, or another run's.

    It is the one door through which a stage's files are read. A file that the manifest does not record, as one of an
    older version may not, is not judged.

    Args:
        manifest: of the stage that wrote them.
        files: beside or below it.
        remedy: what to do.

    Returns:
        Whether all of them are recorded, and so are as they were written.

    Raises:
        MissingError: one is missing.
        DataError: one is another.
    """
    content = read_manifest(manifest)
    recorded = {path: content["outputs"].get(_name_of(path, manifest)) for path in files}
    for path, value in recorded.items():
        if not path.exists():
            raise MissingError(f"{path} does not exist: {remedy}")
        if value is not None and file_hash(path, noting=True) != value:
            writer = content.get("stage", "its stage")
            raise DataError(f"{path} is not as {writer} left it (damaged, changed, or another's): {remedy}")
    return None not in recorded.values()
