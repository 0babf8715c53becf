"""What an option is: one field of a dataclass, defined once, with its type, default and help.

A script's options are a dataclass made of groups that scripts share: plain dataclasses without a base class. Each group
may have a `check` of its own values; `command_line.parse` runs every one of them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import MISSING, field, fields
from typing import Any

from backward_search.errors import OptionError
from backward_search.storage.paths import rooted


def option(
    help: str | Callable[[], str],
    default: Any = MISSING,
    *,
    of_dataset: str | None = None,
    choices: Sequence[str] | Callable[[], Sequence[str]] = (),
    list_goes_to: str | None = None,
    place: bool = False,
    secret: bool = False,
    usual: bool = False,
    methods: Sequence[str] = (),
) -> Any:
    """Define one option.

    Args:
        help: what it does, with its unit; a function is called when it is shown.
        default: its default; left out, the option is required or `of_dataset`.
        of_dataset: the attribute of the data set's registry entry that serves as default.
        choices: the values it admits; a function is called when the command line is read, for what others register.
        list_goes_to: the option that a comma-separated list of values is meant for, where this one takes a single one.
        place: whether it names a file or folder: a relative one that is given begins in the working directory, the
            default in the project.
        secret: whether no log is to have its value.
        usual: whether most people need it: --help shows those alone.
        methods: the only ones that it is for; all where none is named.
    """
    metadata = {
        "help": help,
        "of_dataset": of_dataset,
        "choices": choices,
        "list_goes_to": list_goes_to,
        "place": place,
        "secret": secret,
        "usual": usual,
        "methods": methods,
    }
    return field(default=default, kw_only=True, metadata=metadata)


def unusual(options: Any) -> dict[str, Any]:
    """By name the values that differ from the defaults; the data set, which has none, is left out."""
    found: dict[str, Any] = {}
    for each in fields(options):
        value, source = getattr(options, each.name), each.metadata.get("of_dataset")
        if each.name != "dataset_name" and not each.metadata.get("further"):
            usual = getattr(options.entry, source) if source and hasattr(options, "entry") else each.default
            found |= {} if value == usual else {each.name: value}
    return found | dict(getattr(options, "further", {}))


def check(options: object) -> None:
    """Refuse values that cannot be meant, before anything is loaded: numbers first, then what each group says.

    Raises:
        OptionError: there is such a value.
    """
    values = vars(options) | vars(options).get("further", {})
    for name, value in values.items():
        require(not isinstance(value, float) or math.isfinite(value), f"--{name} {value} is not a finite number")
    for group in reversed(type(options).__mro__):
        own = vars(group).get("check")
        if own is not None:
            own(options)


def a_file_or_truth(options: object, *names: str) -> None:
    """Refuse the name of a file that is not there, where True and False are meant too."""
    for name in names:
        value = getattr(options, name)
        there = isinstance(value, bool) or rooted(value).is_file()
        require(there, f"--{name} {value} is neither True nor False, nor a file that is there")


def positive(options: object, *names: str) -> None:
    """Refuse numbers that are not positive."""
    for name in names:
        require(getattr(options, name) > 0, f"--{name} {getattr(options, name)} must be positive")


def not_negative(options: object, *names: str) -> None:
    """Refuse negative numbers."""
    for name in names:
        require((getattr(options, name) or 0) >= 0, f"--{name} {getattr(options, name)} must not be negative")


def number(name: str, text: str) -> float:
    """Read a number of 0 or more out of an option's text.

    Raises:
        OptionError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    require(math.isfinite(value) and value >= 0, f"{name} {text} is not a number of 0 or more")
    return value


def require(holds: bool, message: str) -> None:
    """Raise an `OptionError` with this message unless the condition holds."""
    if not holds:
        raise OptionError(message)
