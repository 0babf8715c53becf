"""The manifest of a stage: settings, inputs and versions of what lies beside it. It is written last."""

import json
import logging
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from backward_search.errors import DataError, StaleError
from backward_search.storage.atomic import file_hash, read_json, write_json

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
    content = read_json(path)
    parts = ("settings", "inputs", "outputs")
    if not isinstance(content, dict) or not all(isinstance(content.get(part), dict) for part in parts):
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
    """

    name: str
    manifest: Path
    settings: dict[str, Any]
    inputs: dict[str, Path]
    outputs: list[Path]
    hashes: dict[str, str] = field(init=False)
    _start: float = field(init=False)

    def __post_init__(self) -> None:
        """Hash the inputs as they are now, before any work is done on them."""
        self.settings = json.loads(json.dumps(self.settings))  # compared with what JSON gives back: no tuples
        self.hashes = {name: file_hash(path) for name, path in self.inputs.items()}
        self._start = time.perf_counter()

    def is_done(self, *, overwrite: bool) -> bool:
        """Whether the outputs of exactly these settings and inputs are already there.

        Raises:
            StaleError: there are outputs, but of other settings or inputs, or changed since they were written, and
                `overwrite` is False.
        """
        if overwrite or not self.manifest.exists():
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
        damaged = [name for name, value in self._output_hashes().items() if stored["outputs"].get(name) != value]
        if damaged:
            raise StaleError(
                f"{self.manifest.parent} holds {', '.join(damaged)} in another state than {self.name} left it: "
                "pass --overwrite True to make it again"
            )
        LOG.info("%s: already done with these settings and inputs, nothing to do", self.name)
        return True

    def begin(self) -> None:
        """Withdraw an older manifest, so that half-written outputs never look finished."""
        self.manifest.unlink(missing_ok=True)

    def finish(self, **facts: Any) -> Path:
        """Write the manifest; `facts` are further things worth knowing, such as seed and shapes."""
        return write_json(
            self.manifest,
            {
                "stage": self.name,
                "settings": self.settings,
                "inputs": self.hashes,
                "outputs": self._output_hashes(),
                **facts,
                "versions": _versions(),
                "seconds": round(time.perf_counter() - self._start, 3),
            },
        )

    def _output_hashes(self) -> dict[str, str]:
        folder = self.manifest.parent
        return {path.relative_to(folder).as_posix(): file_hash(path) for path in self.outputs}


def refuse_stale(manifest: Path, inputs: Mapping[str, Path], remedy: str) -> None:
    """Refuse outputs whose inputs have changed since they were made.

    Args:
        manifest: of the stage that made the outputs.
        inputs: some of its inputs, by the names it recorded them under, as they are now.
        remedy: what to do.

    Raises:
        StaleError: an input has another content now.
    """
    stored = read_manifest(manifest)["inputs"]
    changed = [name for name, path in inputs.items() if stored.get(name) != file_hash(path)]
    if changed:
        raise StaleError(f"the {', '.join(changed)} changed since {manifest} was written: {remedy}")
