"""Packages that only some users need: the extras of pyproject.toml."""

from importlib import util

from backward_search.errors import MissingError


def is_there(module: str) -> bool:
    """Whether a package is installed, by the name that it is imported as."""
    return util.find_spec(module) is not None


def how_to_install(extra: str) -> str:
    """What installs an extra, in words."""
    return f'pip install ".[{extra}]" in the project\'s folder, or "backward-search[{extra}]"'


def need(module: str, extra: str, what: str = "") -> None:
    """Refuse to go on without a package of an extra.

    Args:
        module: what it is imported as.
        extra: the extra that has it.
        what: needs it, for the message.

    Raises:
        MissingError: it is not installed.
    """
    if not is_there(module):
        who = f"{what} needs {module}, which is not installed" if what else f"{module} is not installed"
        raise MissingError(f"{who}: {how_to_install(extra)}")
