"""Changing valid files into damaged and hostile ones: bytes for every format; words, numbers, brackets for texts."""

import random
import re
from collections.abc import Callable, Sequence

MOST = 2**16
"""Bytes that an input may have; one that grew beyond them is cut."""
POOL = 400
"""Inputs that are kept to be changed further, because they came further than others."""
_INTEGERS = (0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 1000, 4096, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31)
_LARGE = (2**32 - 1, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
_NUMBERS = (
    *(
        b"0",
        b"-1",
        b"1",
        b"00",
        b"-0",
        b"1.5",
        b"1e400",
        b"-1e400",
        b"nan",
        b"NaN",
        b"inf",
        b"-inf",
        b"Infinity",
        b"1e5",
    ),
    *(b"2147483648", b"-2147483649", b"9223372036854775808", b"18446744073709551616", b"9" * 40, b"9" * 5000),
    *(b"0x10", b"1_000", b"\xd9\xa1\xd9\xa2", b"\xc2\xb2", b"true", b"null", b"None", b"1e-320", b"0.1.2"),
)
_TEXTS = (
    *(
        b"",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\t",
        b",",
        b";",
        b"|",
        b'"',
        b"'",
        b"=",
        b":",
        b"/",
        b"\\",
        b"..",
        b"../",
        b"./",
    ),
    *(b"/etc/passwd", b"~", b"%20", b"%00", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff", b"\xc3\x28"),
    *(
        b"\xed\xa0\x80",
        b"\xe2\x80\xa8",
        b"\xc2\x85",
        b"\x1c",
        b"\x0b",
        b"\x0c",
        b"\x1a",
        b"\x1b[31m",
        b"\xcc\x81",
        b"{}",
    ),
    *(
        b"[]",
        b"{",
        b"}",
        b"[",
        b"]",
        b"(",
        b")",
        b"#",
        b"a" * 300,
        b"a/" * 200,
        b"\xf0\x9f\x92\xa9",
        b"#N/A",
        b"__class__",
    ),
)
_BRACKETS = ((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b'"', b'"'))
_TOKEN = re.compile(rb"[\w.+-]+|\s+|[^\w\s]")
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")

Change = Callable[[random.Random, bytes], bytes]


class Mutator:
    """Makes inputs out of seeds. What is asked for by the same number after the same past is the same input."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes] = (), *, text: bool = False) -> None:
        """Begin with seeds.

        Args:
            seeds: valid files.
            words: what the format knows beside numbers and brackets.
            text: whether it is made of words.
        """
        self._seeds, self._words = list(seeds), (*words, *_TEXTS)
        self._pool: list[bytes] = []
        of_bytes = (_flip, _flip, _byte, _insert, _delete, _copy, _shuffle, _truncate, _integer, _integer, self._splice)
        of_text = (
            self._word,
            self._word,
            _number,
            _number,
            _swap_tokens,
            _drop_token,
            _repeat_token,
            _nest,
            _swap_lines,
        )
        self._changes: tuple[Change, ...] = (*of_bytes, *of_text * 2) if text else (*of_bytes, self._word)

    def keep(self, content: bytes, rng: random.Random) -> None:
        """Change this one further, too."""
        if len(self._pool) < POOL:
            self._pool.append(content)
        else:
            self._pool[rng.randrange(POOL)] = content

    def make(self, rng: random.Random) -> bytes:
        """One input: a seed, or what was kept, with one to some changes."""
        content = self._one(rng)
        for _ in range(1 if rng.random() < 0.5 else rng.randrange(2, 9)):
            content = rng.choice(self._changes)(rng, content)
        return content[:MOST]

    def _one(self, rng: random.Random) -> bytes:
        return rng.choice(self._pool if self._pool and rng.random() < 0.5 else self._seeds)

    def _splice(self, rng: random.Random, content: bytes) -> bytes:
        other = self._one(rng)
        return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]

    def _word(self, rng: random.Random, content: bytes) -> bytes:
        place = rng.randrange(len(content) + 1)
        word = rng.choice(self._words)
        return content[:place] + word + content[place + (len(word) if rng.random() < 0.5 else 0) :]


def _part(rng: random.Random, content: bytes) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    most = len(content) - start
    return start, start + (rng.randrange(min(most, 1 << rng.randrange(13)) + 1) if most else 0)


def _flip(rng: random.Random, content: bytes) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _byte(rng: random.Random, content: bytes) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    for _ in range(rng.randrange(1, 5)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _insert(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.randbytes(1 << rng.randrange(6)) + content[place:]


def _delete(rng: random.Random, content: bytes) -> bytes:
    start, stop = _part(rng, content)
    return content[:start] + content[stop:]


def _copy(rng: random.Random, content: bytes) -> bytes:
    start, stop = _part(rng, content)
    place = rng.randrange(len(content) + 1)
    behind = content[place + (stop - start if rng.random() < 0.5 else 0) :]
    return content[:place] + content[start:stop] * (rng.choice((1, 1, 1, 2, 50))) + behind


def _shuffle(rng: random.Random, content: bytes) -> bytes:
    start, stop = _part(rng, content)
    part = bytearray(content[start:stop])
    rng.shuffle(part)
    return content[:start] + bytes(part) + content[stop:]


def _truncate(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] if rng.random() < 0.8 else content[place:]


def _integer(rng: random.Random, content: bytes) -> bytes:
    """A number of one to eight bytes of which readers may think too highly, or one beside the one that is there."""
    width = rng.choice((1, 2, 2, 4, 4, 4, 8))
    order = rng.choice(("little", "big"))
    place = rng.randrange(max(len(content) - width, 0) + 1)
    if rng.random() < 0.3:
        number = int.from_bytes(content[place : place + width], order) + rng.choice((-2, -1, 1, 2, 16, -16))
    else:
        number = rng.choice(_INTEGERS if rng.random() < 0.7 else _LARGE) * rng.choice((1, 1, 1, -1))
    return content[:place] + (number % (1 << 8 * width)).to_bytes(width, order) + content[place + width :]


def _number(rng: random.Random, content: bytes) -> bytes:
    """Another number for one that stands there."""
    found = list(_NUMBER.finditer(content, rng.randrange(len(content) + 1)))[:50]
    if not found:
        return content
    chosen = rng.choice(found)
    return content[: chosen.start()] + rng.choice(_NUMBERS) + content[chosen.end() :]


def _tokens(rng: random.Random, content: bytes) -> list[re.Match[bytes]]:
    start = rng.randrange(len(content) + 1)
    return list(_TOKEN.finditer(content, start, start + 2000))


def _swap_tokens(rng: random.Random, content: bytes) -> bytes:
    tokens = _tokens(rng, content)
    if len(tokens) < 2:
        return content
    one, other = sorted(rng.sample(range(len(tokens)), 2))
    first, last = tokens[one], tokens[other]
    between = content[first.end() : last.start()]
    return content[: first.start()] + last[0] + between + first[0] + content[last.end() :]


def _drop_token(rng: random.Random, content: bytes) -> bytes:
    tokens = _tokens(rng, content)
    if not tokens:
        return content
    chosen = rng.choice(tokens)
    return content[: chosen.start()] + content[chosen.end() :]


def _repeat_token(rng: random.Random, content: bytes) -> bytes:
    tokens = _tokens(rng, content)
    if not tokens:
        return content
    chosen = rng.choice(tokens)
    return content[: chosen.end()] + chosen[0] * rng.choice((1, 1, 2, 100)) + content[chosen.end() :]


def _nest(rng: random.Random, content: bytes) -> bytes:
    """Brackets around a part, now and then deeper than a reader's stack."""
    start, stop = _part(rng, content)
    left, right = rng.choice(_BRACKETS)
    depth = rng.choice((1, 1, 2, 5, 100, 3000))
    return content[:start] + left * depth + content[start:stop] + right * depth + content[stop:]


def _swap_lines(rng: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one] if rng.random() < 0.5 else lines[other]
    return b"\n".join(lines)
