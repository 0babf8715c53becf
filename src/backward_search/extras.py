"""Packages that only some users need: the extras of pyproject.toml."""

from importlib import util

from backward_search.errors import MissingError


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
    if util.find_spec(module) is None:
        who = f"{what} needs {module}, which is not installed" if what else f"{module} is not installed"
        raise MissingError(f"{who}: {how_to_install(extra)}")
