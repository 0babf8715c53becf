"""The same name in different spellings: of archives that encode letters beyond ASCII, of tags that name a label."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

_ESCAPED = re.compile(r"#U([0-9a-fA-F]{4})")


def unescaped(name: str) -> str:
    r"""The name with `#U00e9` written out, accents composed, in lower case.

    >>> unescaped("Joaqu#U00edn.jpg") == unescaped("joaqui\u0301n.jpg") == "joaquín.jpg"
    True
    """
    written_out = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name)
    return unicodedata.normalize("NFC", written_out).lower()


def bare(name: str) -> str:
    r"""What every encoding of a name leaves alone: its ASCII letters, digits, hyphens, dots and slashes.

    >>> bare("joaquín.jpg") == bare("joaquÃ\xadn.jpg") == bare("joaqu#U00e3#U00adn.jpg") == bare("joaqu??n.jpg")
    True
    """
    return re.sub(r"[^a-z0-9./-]", "", unescaped(name))


def lettered(name: str) -> str:
    """Its ASCII letters and digits alone, in their folders: `_` and `-` stand for each other in some lists.

    >>> lettered("Rococo/a_b-c.jpg")
    'rococo/abc.jpg'
    """
    return bare(name).replace("-", "")


def names_of(labels: Iterable[str], tags: Iterable[str]) -> set[str]:
    """The tags that are no more than the name of a label, whatever case, accents and punctuation either is written in.

    >>> sorted(names_of(["Art_Nouveau_Modern", "genre painting"], {"artnouveau(modern)", "genrepainting", "oil"}))
    ['artnouveau(modern)', 'genrepainting']
    """
    plain = {_plain(label) for label in labels}
    return {tag for tag in tags if _plain(tag) in plain}


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return re.sub(r"[\W_]", "", "".join(mark for mark in decomposed if not unicodedata.combining(mark)))


def match(names: Sequence[str], available: Iterable[str]) -> dict[str, str]:
    """Find names among those that are there, at first as they are, then under other spellings.

    Args:
        names: what is looked for.
        available: what is there; each is given away once.

    Returns:
        For each name that was found what it is called there. A name that could be two others, or two names that could
        be the same, are not found.
    """
    there = set(available)
    found = {name: name for name in names if name in there}
    for spelling in (unescaped, bare, lettered):
        wanted = _by_spelling((name for name in names if name not in found), spelling)
        if not wanted:
            break
        free = _by_spelling(there.difference(found.values()), spelling)
        for spelled, candidates in wanted.items():
            if len(candidates) == len(free.get(spelled, ())) == 1:
                found[candidates.pop()] = free[spelled].pop()
    return found


def _by_spelling(names: Iterable[str], spelling: Callable[[str], str]) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        groups[spelling(name)].add(name)
    return groups
