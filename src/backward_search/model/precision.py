"""In which precision a network computes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """For a while multiply float32 matrices in tf32, which keeps 10 of their 23 bits, if that is what is asked for."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def precision_of(mixed: bool) -> str:
    """What encoders compute in at present: bf16, where `mixed` says so; tf32 within `products_in`; else fp32."""
    if mixed:
        return "bf16"
    return "fp32" if torch.get_float32_matmul_precision() == "highest" else "tf32"
