"""What --help shows: first the options that most people need, in one screen; with --help-all every one, in groups."""

import inspect
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from backward_search.cli.console import COLUMNS

FIRST_COLUMN = 26
FURTHER = "Knobs that other packages add"


@dataclass(frozen=True)
class Entry:
    """An option as it is shown.

    Attributes:
        name: with what it takes.
        words: what it does, with its default.
        group: the title it stands under.
        usual: whether most people need it.
        required: whether nothing works without it.
    """

    name: str
    words: str
    group: str
    usual: bool = False
    required: bool = False


def short_help(program: str, description: str, entries: Sequence[Entry]) -> str:
    """One screen: the first paragraph of the description, and the options that most people need."""
    usual = _usual(entries)
    hidden = len(entries) - len(usual)
    lines = [_usage(program, entries), "", *textwrap.wrap(description.strip().split("\n\n")[0], COLUMNS), ""]
    lines += [line for entry in usual for line in _lines(entry)]
    more = f"--help-all shows {hidden} more options" if hidden else "--help-all shows these options"
    return "\n".join([*lines, "", f"{more}, what is read and written, and examples.", ""])


def whole_help(program: str, description: str, entries: Sequence[Entry]) -> str:
    """The whole description and every option under the title of its group, those that most people need first."""
    lines = [_usage(program, entries), "", description.strip(), ""]
    groups: dict[str, list[Entry]] = {"Most used": _usual(entries)}
    for entry in entries:
        if not (entry.usual or entry.required):
            groups.setdefault(entry.group, []).append(entry)
    for title, members in groups.items():
        lines += [f"{title}:", *(line for entry in members for line in _lines(entry)), ""] if members else []
    return "\n".join(lines)


def _usual(entries: Sequence[Entry]) -> list[Entry]:
    """Those that most people need, first those without which nothing works."""
    return sorted((each for each in entries if each.usual or each.required), key=lambda each: not each.required)


def entries_of(
    kind: type, left_out: Sequence[str], further: Sequence[tuple[str, str]], spared: Sequence[str] = ()
) -> list[Entry]:
    """The options of a script: its own first, then those of its groups.

    Args:
        kind: the dataclass of the options.
        left_out: the options that the script sets itself.
        further: name and meaning of the knobs that other packages add.
        spared: the options without a default that may be left out all the same: all that is prepared is taken then.
    """
    choosing = any(each.name in ("method", "methods") for each in fields(kind))
    found = [
        _entry(each, _title(group), choosing=choosing, spared=each.name in spared)
        for group, each in _by_group(kind)
        if each.name not in left_out and not each.metadata.get("further")
    ]
    return found + [Entry(f"--{name} FLOAT", words, FURTHER) for name, words in further]


def _by_group(kind: type) -> "Iterator[tuple[type, Field[Any]]]":
    """Each option with the class that defines it last, class by class."""
    known = {each.name: each for each in fields(kind)}
    for group in kind.__mro__:
        for name in inspect.get_annotations(group):
            if name in known:
                yield group, known.pop(name)


def _title(group: type) -> str:
    return (group.__doc__ or "").partition("\n")[0].rstrip(".")


def _entry(definition: "Field[Any]", group: str, *, choosing: bool, spared: bool) -> Entry:
    meta = definition.metadata
    words = meta["help"]() if callable(meta["help"]) else meta["help"]
    choices = [name for name in (meta["choices"]() if callable(meta["choices"]) else meta["choices"]) if name]
    if any(name not in words for name in choices):
        words += f": {', '.join(choices)}"
    if choosing and meta["methods"]:
        words += f" (of {', '.join(meta['methods'])})"
    words += " [every one that is prepared]" if spared else ""
    required = definition.default is MISSING and meta["of_dataset"] is None and not spared
    words += "" if "(default: " in words else _default(definition)
    return Entry(f"--{definition.name}{_taken(definition)}", words, group, meta["usual"] or spared, required)


def _taken(definition: "Field[Any]") -> str:
    """What an option takes; one that is switched on by its name alone shows nothing."""
    kind = str(definition.type)
    if "bool" in kind:
        words = " True|False" + "|FILE" * ("str" in kind)
        return "" if definition.default is False else words
    if definition.metadata["place"]:
        return " PATH"
    return next((word for part, word in (("int", " N"), ("float", " X")) if part in kind), " WORD")


def _default(definition: "Field[Any]") -> str:
    """The default in brackets, where the words do not say it."""
    if definition.metadata["of_dataset"]:
        return " [the data set's]"
    if definition.default is False or definition.default in (MISSING, None, ""):
        return ""
    return f" [{definition.default}]"


def _usage(program: str, entries: Sequence[Entry]) -> str:
    return " ".join(["usage:", program, *(entry.name for entry in entries if entry.required), "[options]"])


def _lines(entry: Entry) -> list[str]:
    """An option in lines; the words of one with a long name begin below it."""
    words = textwrap.wrap(entry.words, COLUMNS - FIRST_COLUMN, break_on_hyphens=False) or [""]
    name = f"  {entry.name}"
    first = [f"{name:{FIRST_COLUMN}}{words.pop(0)}"] if len(name) < FIRST_COLUMN - 1 else [name]
    return [line.rstrip() for line in (*first, *(f"{'':{FIRST_COLUMN}}{line}" for line in words))]
