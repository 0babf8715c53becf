"""The trained runs that can be explored."""

from pathlib import Path

from backward_search.data import registry
from backward_search.errors import UserError
from backward_search.runs.names import RunName
from backward_search.runs.run import runs_of


def trained_runs(weight_root: str | Path, data_root: str | Path) -> dict[str, RunName]:
    """By folder every run whose data set is known and whose test split C1 has embedded; others are left out."""
    found = {}
    for name, paths in runs_of(weight_root):
        if paths.embedding_manifest("test").exists() and _is_known(name.dataset_name, data_root):
            found[paths.name] = name
    return found


def _is_known(dataset_name: str, data_root: str | Path) -> bool:
    try:
        registry.find(dataset_name, data_root)
    except UserError:
        return False
    return True
