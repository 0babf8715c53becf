"""Reading `torch.save` files of others without running anything in them: tensors and plain data only."""

import argparse
import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from backward_search.errors import DataError, MissingError

WRAPPINGS = ("module.", "_orig_mod.")
_DAMAGE = (
    *(RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(MemoryError, OverflowError, struct.error, zipfile.BadZipFile),
)


def load_state_dict(path: Path, entry: str = "") -> dict[str, torch.Tensor]:
    """Read a state dict, in the zip form of today or the older one, onto the CPU.

    Tensors of the zip form are mapped into memory, so that what nobody touches, such as an optimiser's state, is not
    read.

    Args:
        path: a `.pth` file.
        entry: where the file holds several things by name, the name of the state dict among them; a file that holds
            the state dict alone is taken too.

    Raises:
        MissingError: there is no such file.
        DataError: it is damaged, holds anything but tensors and plain data, or is not a state dict. Nothing in it was
            run.
    """
    content = load_plain(path)
    state = content.get(entry, content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not state or not _are_tensors(state):
        raise DataError(f"{path} holds no state dict (tensors by name): get the file again from where it came")
    return without_wrapping(state)


def without_wrapping(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict without what `DataParallel` (`module.`) and `torch.compile` (`_orig_mod.`) put before its names.

    >>> without_wrapping({"module._orig_mod.fc.bias": torch.zeros(1)}).keys()
    dict_keys(['fc.bias'])
    """
    plain = dict(state)
    while plain and (prefix := next((each for each in WRAPPINGS if all(name.startswith(each) for name in plain)), "")):
        plain = {name.removeprefix(prefix): tensor for name, tensor in plain.items()}
    return plain


def _are_tensors(state: Mapping[Any, Any]) -> bool:
    return all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items())


def load_plain(path: Path) -> Any:
    """Read whatever a torch file holds, if that is tensors and plain data; `load_state_dict` says how.

    Raises:
        MissingError: there is no such file.
        DataError: it is damaged, or holds anything else. Nothing in it was run.
    """
    if not path.exists():
        raise MissingError(f"{path} does not exist")
    plain = torch.serialization.safe_globals([argparse.Namespace])  # many keep a training's options beside its tensors
    try:
        with warnings.catch_warnings(action="ignore"), plain:  # it muses on files that it then refuses
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError:  # its message speaks to programmers, and advises to run the file
        raise DataError(
            f"{path} is damaged or holds something other than tensors and plain data, and is not read: "
            "get a copy that you can trust, of its tensors alone, or remove it"
        ) from None
    except _DAMAGE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0]
        raise DataError(f"{path} is not a complete torch file ({reason}): get it again from where it came") from None
