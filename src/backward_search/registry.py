"""Named things of one kind - methods, solvers, engines - to which other packages add theirs."""

import difflib
import importlib
import logging
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from typing import Generic, TypeVar

from backward_search.errors import OptionError

LOG = logging.getLogger(__name__)
GROUP = "backward_search"
"""The group of entry points that name modules which register something when they are imported."""

Thing = TypeVar("Thing")


class Registry(Mapping[str, Thing], Generic[Thing]):
    """Things by their names, in the order in which they were registered.

    A package adds to it by a call of `register` in a module that one of its entry points in the group
    `backward_search` names; a program that imports the module itself needs none.
    """

    def __init__(self, what: str, own: Mapping[str, str]) -> None:
        """Begin with what comes with the package.

        Args:
            what: the things are called in messages, in the singular.
            own: by name where it is, `module:attribute`; imported when it is first asked for.
        """
        self._what, self._places, self._things = what, dict(own), dict[str, Thing]()
        self._imported = dict[str, Thing]()

    def register(self, name: str, thing: Thing) -> Thing:
        """Add a thing and return it.

        Raises:
            ValueError: there is another of this name.
        """
        if name in self._places or self._things.setdefault(name, thing) is not thing:
            raise ValueError(f"there is a {self._what} {name} already: give yours another name")
        return thing

    def added(self) -> list[Thing]:
        """What does not come with the package."""
        load_others()
        return list(self._things.values())

    def unregister(self, name: str) -> None:
        """Take a thing away, as a test that added it does."""
        del self._things[name]

    def find(self, name: str) -> Thing:
        """The thing of this name.

        Raises:
            OptionError: there is none; the message names the nearest.
        """
        if name not in self:
            near = difflib.get_close_matches(name, list(self), 1, 0.5)
            raise OptionError(f"{self._what} {name} is none of {', '.join(self)}" + (f": {near[0]}?" if near else ""))
        return self[name]

    def __contains__(self, name: object) -> bool:
        if name in self._places:
            return True
        load_others()
        return name in self._things

    def __getitem__(self, name: str) -> Thing:
        if name in self._imported:
            return self._imported[name]
        if name in self._places:
            module, _, attribute = self._places[name].partition(":")
            return self._imported.setdefault(
                name, getattr(importlib.import_module(f"backward_search.{module}"), attribute)
            )
        if name not in self._things:  # what this package adds while it is imported must not import others'
            load_others()
        return self._things[name]

    def __iter__(self) -> Iterator[str]:
        load_others()
        return iter([*self._places, *self._things])

    def __len__(self) -> int:
        load_others()
        return len(self._places) + len(self._things)


@cache
def load_others() -> None:
    """Import what other packages add; one that cannot be imported is named and left out."""
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            entry.load()
        except Exception as error:  # whatever another package raises must not keep this one from its work
            package = entry.dist.name if entry.dist else "a package"
            LOG.warning("%s of %s cannot be imported and adds nothing: %s", entry.value, package, error)
