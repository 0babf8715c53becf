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
from backward_search.storage.pickle_weight import TooHeavyError, weigh
from backward_search.storage.swelling import swells

WRAPPINGS = ("module.", "_orig_mod.")
_DAMAGE = (
    *(RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(MemoryError, OverflowError, struct.error, zipfile.BadZipFile),
)
_LEGACY = 5
"""Pickles one after the other at the beginning of a file in the older form."""


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
    return all(isinstance(name, str) and is_dense(value) for name, value in state.items())


def is_dense(value: Any) -> bool:
    """Whether a value is a tensor of which each number stands in memory; others may stand for more than fits there."""
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return not swells(value.untyped_storage().nbytes(), value.numel() * value.element_size())


def load_plain(path: Path) -> Any:
    """Read whatever a torch file holds, if that is tensors and plain data; `load_state_dict` says how.

    Raises:
        MissingError: there is no such file.
        DataError: it is damaged, or holds anything else. Nothing in it was run.
    """
    if not path.exists():
        raise MissingError(f"{path} does not exist")
    try:
        _look_through(path)
    except TooHeavyError as error:
        raise DataError(f"{path} holds {error}, and is not read: get a copy that you can trust, or remove it") from None
    except _DAMAGE as error:
        raise _incomplete(path, error) from None
    except pickle.UnpicklingError as error:
        raise _incomplete(path, error) from None
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
        raise _incomplete(path, error) from None


def _incomplete(path: Path, error: Exception) -> DataError:
    reason = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0]
    return DataError(f"{path} is not a complete torch file ({reason}): get it again from where it came")


def _look_through(path: Path) -> None:
    """See, before anything is read, that a file's pickles are not made to take up time, and nothing in it is packed.

    What is packed would be unpacked whole, or its bytes taken for those of tensors: `torch.save` packs nothing.

    Raises:
        TooHeavyError: a pickle is.
        UnpicklingError: one is damaged.
        ValueError: something is packed.
    """
    if not zipfile.is_zipfile(path):
        content, place = path.read_bytes(), 0
        for _ in range(_LEGACY):
            place = weigh(content, place)
        return
    with zipfile.ZipFile(path) as records:
        for record in records.infolist():
            if record.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{record.filename[:80]!r} in it is packed, which torch does not do")
            if record.filename.endswith(".pkl"):
                weigh(records.read(record))
