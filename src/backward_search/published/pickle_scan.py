"""Looking through a pickle without running it: every instruction known, every length inside the file."""

import pickle
import pickletools
import re

_FIXED = re.compile(rb"(?:[()012NRbaedls}\]ut\x81\x85-\x89\x8f-\x94oQ]|[Khq\x80].|M..|[Jj].{4}|G.{8})++", re.DOTALL)
_LINES = {b"c": 2, b"i": 2, b"I": 1, b"L": 1, b"F": 1, b"S": 1, b"V": 1, b"g": 1, b"p": 1, b"P": 1}
_COUNTED = (
    {b"U": 1, b"\x8c": 1, b"C": 1, b"\x8a": 1} | {b"T": 4, b"X": 4, b"B": 4, b"\x8b": 4} | {b"\x8d": 8, b"\x8e": 8}
)
_LONG_BINPUT, _FRAME, _STOP = b"r", b"\x95", b"."


class RefusedError(Exception):
    """The content is something else than plain data; the text says what."""


def scan(content: bytes) -> None:
    """Look through a pickle without running it: no unknown instruction, no length or memo index beyond the file's size.

    Pickles have no jumps, so that the unpickler meets exactly these instructions. The lengths matter because it
    allocates what an instruction announces before it reads on.
    """
    place, end = 0, len(content)
    while True:
        run = _FIXED.match(content, place)
        place = run.end() if run else place
        code = content[place : place + 1]
        place += 1
        if code == _STOP:
            return
        if code in _COUNTED:
            width = _COUNTED[code]
            place += width + int.from_bytes(content[place : place + width], "little")
        elif code in _LINES:
            place = _lines_end(content, place, code)
        elif code == _LONG_BINPUT:
            _check_memo(int.from_bytes(content[place : place + 4], "little"), end)
            place += 4
        elif code == _FRAME:
            if int.from_bytes(content[place : place + 8], "little") > end - place - 8:
                raise EOFError
            place += 8
        else:
            raise _unknown(code)
        if place > end:
            raise EOFError


def _lines_end(content: bytes, place: int, code: bytes) -> int:
    start = place
    for _ in range(_LINES[code]):
        place = content.find(b"\n", place) + 1
        if place == 0:
            raise EOFError
    if code == b"p":
        _check_memo(int(content[start : place - 1]), len(content))
    return place


def _check_memo(index: int, size: int) -> None:
    if index > size:
        raise RefusedError(f"the memo index {index}")


def _unknown(code: bytes) -> Exception:
    if not code:
        return EOFError()
    known = [instruction.name for instruction in pickletools.opcodes if instruction.code.encode("latin-1") == code]
    return RefusedError(f"the instruction {known[0]}") if known else pickle.UnpicklingError("not a pickle")
