"""A copy of embeddings in 8 bits a number: one quick pass over it bounds all cosines, and rules out nearly all rows."""

import functools
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LEAST = 1e-12
"""A row shorter than this is divided by it, not by its length, as in the exact cosine."""
HALF = 2.0**-8 / (1 - 2.0**-8)
"""By which share of itself a number can lie off that was rounded to bfloat16, at most."""
UNIT = 2.0**-24
"""The same of one in single precision."""
AT_ONCE = 2**18
"""Numbers brought into 8 bits at once: 1 MB in single precision."""
STEP = 32
"""The kernel reads so many numbers of a row at a time, or a part of that, without looking for its end: rows are filled
up with zeros, which keeps them aligned as well."""
NUMBERS = 2**30
"""Numbers that one call of the kernel gets: it counts them in 32 bits."""
TRIED = 4096
"""Rows of the trial that says whether the kernel does what it should."""


@dataclass(frozen=True)
class Coarse:
    """N embeddings of length 1, u, each as a scale times whole numbers in [-127, 127]: u'.

    Attributes:
        codes: the whole numbers, filled up with zeros (N, E') int8.
        scales: of each row (N,) bfloat16.
        lost: |u - u'| of each row (N,) float32.
    """

    codes: Tensor
    scales: Tensor
    lost: Tensor

    @classmethod
    def of(cls, blocks: Iterable[Tensor], total: int, size: int) -> "Coarse":
        """Bring embeddings into 8 bits; see `bytes_of`.

        Args:
            blocks: of consecutive rows (b, E).
            total: N.
            size: E.
        """
        codes = torch.zeros(total, _filled(size), dtype=torch.int8)
        scales = torch.empty(total, dtype=torch.bfloat16)
        lost, start = torch.empty(total), 0
        whole = codes.numpy()  # NumPy fills it: torch would have its threads wait for one another at every step
        for block in blocks:
            wide = block.to(torch.promote_types(block.dtype, torch.float32))
            for part in torch.split(wide, max(AT_ONCE // size, 1)):
                rows = slice(start, start + len(part))
                whole[rows, :size], scales[rows], lost[rows] = _packed(part.numpy())
                start += len(part)
        return cls(codes, scales, lost)

    def cosines(self, queries: Tensor) -> "Rough":
        """Cosines with all rows.

        Args:
            queries: of length 1 or 0, (B, E) float64.
        """
        rounded = queries.to(torch.bfloat16)
        off = torch.linalg.vector_norm(queries - rounded.double(), dim=1)
        length = torch.linalg.vector_norm(rounded.double(), dim=1)
        fixed = off + summed(queries.shape[1]) * (1 + length)
        return Rough(self._products(rounded), fixed.numpy(), length.numpy(), self.lost.numpy(), self.most_lost)

    @functools.cached_property
    def most_lost(self) -> float:
        """What the row lost that lost most."""
        return float(self.lost.max())

    def _products(self, queries: Tensor) -> Tensor:
        """<q', u'> of queries (B, E) with all rows, (B, N) bfloat16."""
        whole = torch.nn.functional.pad(queries, (0, self.codes.shape[1] - queries.shape[1]))
        rows = NUMBERS // self.codes.shape[1]
        each = zip(torch.split(self.codes, rows), torch.split(self.scales, rows), strict=True)
        parts = [torch._weight_int8pack_mm(whole, codes, scales) for codes, scales in each]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


NEIGHBOURS = 64
"""Of so many rows one is taken for a start."""
FORBIDDEN = -128
"""Minus infinity in bfloat16, as the whole number of the same bits."""


@dataclass(frozen=True)
class Rough:
    """Cosines of B queries with N rows, s, and how far the true ones can lie from them.

    With q the query of length 1 and q' the same in bfloat16, <q, u> - <q', u'> = <q - q', u> + <q', u - u'>, which is
    at most |q - q'| + |q'| |u - u'|. Besides, <q', u'> is summed in single precision, and rounded once, to s.

    Attributes:
        scores: s, (B, N) bfloat16.
        fixed: |q - q'|, and what summing can do, (B,) float64.
        length: |q'|, (B,) float64.
        lost: |u - u'|, (N,) float32.
        most_lost: the largest of them.
    """

    scores: Tensor
    fixed: np.ndarray
    length: np.ndarray
    lost: np.ndarray
    most_lost: float

    def forbid(self, allowed: np.ndarray) -> None:
        """Put the rows that are not allowed, (N,) bool, below all others."""
        for bits in self._bits:
            np.copyto(bits, FORBIDDEN, where=~allowed)

    def best(self, count: int) -> Tensor | None:
        """Allowed rows with scores among the best, (B, count), each the best of neighbouring rows; None if too few."""
        near = min(NEIGHBOURS, self.scores.shape[1] // count)
        if not near:
            return None
        each = self._bits[:, : self.scores.shape[1] // near * near].reshape(len(self.scores), -1, near)
        tops = each.max(axis=2)
        chosen = np.argpartition(tops, -count, axis=1)[:, -count:]
        if (np.take_along_axis(tops, chosen, 1) <= 0).any():  # the order is that of positive ones
            return None
        inside = np.take_along_axis(each, chosen[..., None], 1).argmax(axis=2)
        return torch.from_numpy(chosen * near + inside)

    def reaching(self, query: int, bar: float) -> np.ndarray:
        """The allowed rows (n,), in order, whose true cosine with one of the queries can be `bar` or more.

        NumPy reads the scores as whole numbers, whose order is that of the positive ones; torch's threads would wait
        for one another at every step.
        """
        fixed, length = float(self.fixed[query]), float(self.length[query])
        least = (bar - fixed - length * self.most_lost) / (1 + HALF)
        if least <= 0:  # there is hardly a row that could not
            return np.asarray(np.flatnonzero(self._bits[query] != FORBIDDEN))
        rows = np.flatnonzero(self._bits[query] >= _bits_of(least))
        scores = self.scores[query].view(torch.int16).numpy()[rows]
        highest = torch.from_numpy(scores).view(torch.bfloat16).double().numpy() * (1 + HALF)
        return np.asarray(rows[highest + fixed + length * self.lost[rows] >= bar])

    @property
    def _bits(self) -> np.ndarray:
        bits: np.ndarray = self.scores.view(torch.int16).numpy()
        return bits


def _bits_of(value: float) -> int:
    """A number, rounded down to bfloat16, as the whole number of the same bits."""
    return int(np.array(value, dtype=np.float32).view(np.int32)) >> 16


def bytes_of(total: int, size: int) -> int:
    """The memory of a copy of `total` embeddings of `size` numbers."""
    return total * (_filled(size) + 6)


def _filled(size: int) -> int:
    return -(-size // STEP) * STEP


def summed(size: int) -> float:
    """How far rounding can move a sum of `size` products of two vectors of length 1, and their lengths before that.

    For a sum in any order it is E 2^-24 to first order (Higham, Accuracy and Stability of Numerical Algorithms, 3.1):
    once for the product, once for the length of the row, and as much again, with some for the single operations.
    """
    return (4 * size + 64) * UNIT


def _packed(block: np.ndarray) -> tuple[np.ndarray, Tensor, Tensor]:
    """Rows (b, E) as whole numbers (b, E), their scales (b,), and what each row lost by it (b,)."""
    top = np.abs(block).max(axis=1, keepdims=True)  # so that no square overflows
    units = (block / np.where(top > 0, top, 1)).astype(np.float32, copy=False)
    lengths = np.maximum(_lengths(units), 1)
    short = np.minimum(top.astype(np.float64) * lengths / LEAST, 1)  # less than 1 of a row shorter than LEAST
    units *= (short / lengths).astype(np.float32)
    scales = torch.from_numpy(np.abs(units).max(axis=1) / np.float32(127)).to(torch.bfloat16)
    rounded = scales.float()[:, None].numpy()
    codes = units / np.where(rounded > 0, rounded, 1)
    np.clip(np.rint(codes, out=codes), -127, 127, out=codes)
    units -= codes * rounded
    return codes, scales, torch.from_numpy(_lengths(units)[:, 0])


def _lengths(rows: np.ndarray) -> np.ndarray:
    """Those of rows (b, E) float32, (b, 1)."""
    return np.asarray(np.sqrt(np.einsum("be,be->b", rows, rows))[:, None])


def has_kernel() -> bool:
    """Whether torch's pass over the copy is a quick one: with these processors' instructions, but not on Windows."""
    return sys.platform != "win32" and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def is_right(coarse: Coarse, embeddings: Tensor) -> bool:
    """Whether the cosines with embeddings (n, E), the first of those in a copy, lie where it says: a trial of it."""
    query = torch.linspace(-1, 1, embeddings.shape[1], dtype=torch.float64)[None]
    query /= torch.linalg.vector_norm(query).clamp(min=LEAST)
    count = len(embeddings)
    few = Coarse(coarse.codes[:count], coarse.scales[:count], coarse.lost[:count])
    try:
        rough = few.cosines(query)
    except (RuntimeError, AttributeError):  # this torch has no such kernel
        return False
    scores = rough.scores[0].double()
    bound = HALF * scores.abs() + rough.fixed[0] + rough.length[0] * few.lost.double()
    true = torch.nn.functional.normalize(embeddings.double(), dim=1, eps=LEAST) @ query[0]
    return bool(((scores - true).abs() <= bound).all())
