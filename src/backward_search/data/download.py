"""Fetching what the owners of a data set publish; where that lies, each data set's module says in its `DOWNLOADS`."""

import importlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from backward_search.data import registry
from backward_search.errors import MissingError, OptionError
from backward_search.extras import how_to_install
from backward_search.storage.atomic import read_json, write_json
from backward_search.storage.fetching import Patience, Remote, fetch_file
from backward_search.storage.lock import locked
from backward_search.storage.paths import DataPaths
from backward_search.storage.unpacking import is_unpacked, unpack

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that is published under a URL.

    Attributes:
        url: where.
        target: where it goes, below `data/<name>/`.
        alternatives: what a user can do when it cannot be had there.
        sha256: its published checksum, in hexadecimal.
        md5: its published checksum, in hexadecimal.
        size: its published size in bytes.
        unpack: whether it is a tar or zip archive that is unpacked beside itself.
        unless: sets of patterns of files below `data/<name>/`; where there is a file for each pattern of one set, they
            came by another way, and nothing is fetched.
    """

    url: str
    target: str
    alternatives: str
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None
    unpack: bool = False
    unless: tuple[tuple[str, ...], ...] = ()

    @property
    def remote(self) -> Remote:
        """The same as `files.fetching` takes it."""
        digests = {name: value for name, value in (("sha256", self.sha256), ("md5", self.md5)) if value}
        return Remote(self.url, self.alternatives, self.size, digests, self.unpack)

    def fetch_into(self, folder: Path, patience: Patience) -> None:
        """Fetch the file to its place below `folder`, and unpack it there."""
        target = folder / self.target
        if self.unpack and is_unpacked(target):
            LOG.info("%s is fetched and unpacked already", target)
            return
        if not target.exists() and (found := self._instead(folder)):
            LOG.info("%s is there already: not fetching %s", found, self.url)
            return
        fetch_file(self.remote, target, patience)
        if self.unpack:
            unpack(target)

    def _instead(self, folder: Path) -> Path | None:
        for patterns in self.unless:
            found = [next(folder.glob(pattern), None) for pattern in patterns]
            if all(found):
                return found[0]
        return None


@dataclass(frozen=True, kw_only=True)
class HubDownload:
    """Files of a data set repository on the Hugging Face Hub.

    Attributes:
        repo_id: the repository.
        target: the folder they go to, below `data/<name>/`.
        patterns: which of its files.
        alternatives: what a user can do when they cannot be had there.
    """

    repo_id: str
    target: str
    patterns: tuple[str, ...]
    alternatives: str

    def fetch_into(self, folder: Path, _patience: Patience) -> None:
        """Fetch the files to their place below `folder`; the library itself goes on where it was cut off."""
        target = folder / self.target
        marker = target.with_name(f".{target.name}.fetched.json")
        if marker.exists() and _complete(target, read_json(marker)):
            LOG.info("%s is fetched already", target)
            return
        names = self._snapshot(target)
        missing = [name for name in names if not (target / name).is_file()]
        if missing or not names:
            # without a connection the library is content with what is in the folder
            found = f"{len(missing)} of {len(names)} files did not come" if names else "it has no such files any more"
            raise self._unreachable(found)
        write_json(marker, {name: (target / name).stat().st_size for name in names})
        LOG.info("fetched %d files into %s", len(names), target)

    def _snapshot(self, target: Path) -> list[str]:
        """Let the library fetch the files, and return the names of those that have to be there then."""
        try:
            hub = importlib.import_module("huggingface_hub")
            hub_utils = importlib.import_module("huggingface_hub.utils")
        except ImportError:
            raise MissingError(
                f"{self.repo_id} is fetched with huggingface_hub, which is not installed: "
                f"{how_to_install('download')}, or else {self.alternatives}"
            ) from None
        LOG.info("fetching %s of %s from the Hugging Face Hub", ", ".join(self.patterns), self.repo_id)
        if not sys.stderr.isatty():
            hub_utils.disable_progress_bars()
        repository = {"repo_id": self.repo_id, "repo_type": "dataset"}
        try:
            names = hub.list_repo_files(**repository)
            hub.snapshot_download(**repository, allow_patterns=list(self.patterns), local_dir=target)
        # whatever the library raises, the user can only try again or turn to the alternatives; its errors have no base
        # class in common, and those of the network come from another package with every other version of it
        except Exception as error:
            raise self._unreachable(" ".join(str(error).split()) or type(error).__name__) from error
        return sorted(name for name in names if any(fnmatch(name, pattern) for pattern in self.patterns))

    def _unreachable(self, reason: str) -> MissingError:
        return MissingError(
            f"{self.repo_id} could not be fetched from the Hugging Face Hub ({reason}): "
            f"run the command again to go on, or else {self.alternatives}"
        )


def _complete(folder: Path, sizes: dict[str, int]) -> bool:
    return all((folder / name).exists() and (folder / name).stat().st_size == size for name, size in sizes.items())


def fetch(
    name: str,
    paths: DataPaths,
    sources: Sequence[Download | HubDownload] | None = None,
    patience: Patience | None = None,
) -> None:
    """Fetch what the owners of data set `name` publish into `data/<name>/`, and unpack it.

    What is there already is not fetched again, and what was cut off goes on where it was.

    Args:
        name: the data set.
        paths: its files.
        sources: what to fetch; the `DOWNLOADS` of the data set's module by default.
        patience: how long to try where a server does not answer.

    Raises:
        OptionError: nothing is published for this data set.
        MissingError: something cannot be fetched; the message names the URL, the reason and the alternatives.
        DataError: what came, or what is there already, is not what is published; or another process is at it.
    """
    chosen = getattr(registry.module_of(name), "DOWNLOADS", ()) if sources is None else sources
    if not chosen:
        raise OptionError(f"there is nothing to download for {name}: leave --download out")
    with locked(paths.folder / ".download.lock", f"another process is fetching into {paths.folder}"):
        for source in chosen:
            source.fetch_into(paths.folder, patience or Patience())
