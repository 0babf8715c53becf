"""Tensors on disk: safetensors files, written whole, with plain facts in their header."""

import errno
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from backward_search.errors import DataError, MissingError
from backward_search.storage.atomic import replacing


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, str] | None = None) -> Path:
    """Write named tensors.

    Args:
        path: a `.safetensors` file.
        tensors: by name, on any device.
        facts: short texts kept in the file's header.
    """
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode  # the library makes its file private, whatever the umask says
        try:
            save_file(content, temporary, dict(facts or {}))
        except SafetensorError as error:  # the library's word for what the system would not write
            full = "os error 28" in str(error)
            raise OSError(errno.ENOSPC if full else errno.EIO, str(error), str(path)) from None
        temporary.chmod(mode)
    return path


def load_tensors(
    path: Path, remedy: str = "delete it and run the stage that writes it again"
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read what `save_tensors` wrote: the tensors, on the CPU, and the facts.

    Args:
        path: a safetensors file.
        remedy: what to do about a damaged one.

    Raises:
        MissingError: there is no such file.
        DataError: the file is damaged.
    """
    if not path.exists():
        raise MissingError(f"{path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise DataError(f"{path} is damaged ({error}): {remedy}") from None
