"""The settings that a program gives a search: each is checked, and none is dropped."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from backward_search.errors import OptionError
from backward_search.library.checks import is_number, number_of, whole_of
from backward_search.methods.config import AUTO, Aim, AnswerConfig
from backward_search.methods.protocol import Method
from backward_search.methods.registry import METHODS
from backward_search.solvers.protocol import Solver, knob_field
from backward_search.solvers.registry import SOLVERS


@dataclass(frozen=True)
class Settled:
    """How a search is made.

    Attributes:
        how: the method.
        config: the settings.
        each: the value of the solver's knob for each query, where one was given for each.
    """

    how: Method
    config: AnswerConfig
    each: Any = None

    def knobs(self, queries: Tensor) -> Tensor | None:
        """The value of the solver's knob for each of some queries (B,), checked; None where there is one for all.

        Raises:
            ValueError: there is not one for each, or they are not numbers of 0 or more.
        """
        if self.each is None:
            return None
        word = knob_field(self.config.solver)
        try:
            found = torch.as_tensor(self.each, dtype=queries.dtype, device=queries.device).detach()
        except (TypeError, ValueError, RuntimeError):
            raise ValueError(f"{word} is {self.each!r}: expected a number, or one for each query") from None
        if found.shape != (len(queries),) or not bool((found.isfinite() & (found >= 0)).all()):
            raise ValueError(f"{word}: expected a number of at least 0 for all, or for each of {len(queries)} queries")
        return found


def settled(method: str, usual: AnswerConfig, given: Mapping[str, Any]) -> Settled:
    """Read the settings of a search; see `searcher.Searcher.search`.

    Args:
        method: its name.
        usual: what holds where nothing is given.
        given: the settings by name.

    Raises:
        OptionError: the method or a setting does not exist, or has no part in the method's answer.
        ValueError: a value cannot be meant.
    """
    if not isinstance(method, str):
        raise OptionError(f"method is {method!r}: expected one of {', '.join(METHODS)}")
    how, rest = METHODS.find(method)(), dict(given)
    solver, each = _solver(usual.solver, rest) if how.searches else (usual.solver, None)
    knobs = {**usual.knobs, **{knob.option: _knob(how, knob.option, rest) for knob in how.knobs if knob.option in rest}}
    config = replace(usual, solver=solver, knobs=knobs)
    config = replace(config, **_common(how, config, rest))
    if rest:
        own = ["solver", *type(solver).settings] if how.searches else [knob.option for knob in how.knobs]
        known = ", ".join([*own, "rerank", "seed", "batch_size", *(["aim"] if how.tried else [])])
        raise OptionError(f"{min(rest)} has no part in {method}, whose settings are {known}")
    return Settled(how, config, each)


def _solver(usual: Solver, rest: dict[str, Any]) -> tuple[Solver, Any]:
    """The solver that the settings mean, which are taken out of them, and a value of its knob for each query."""
    named = rest.pop("solver", usual)
    kind = SOLVERS.find(named) if isinstance(named, str) else type(named)
    if not hasattr(kind, "settings"):
        raise OptionError(f"solver is {named!r}: expected a name or a solver")
    own = {field: rest.pop(field) for field in kind.settings if field in rest}
    if own and named is not usual and not isinstance(named, str):
        raise OptionError(f"{min(own)} stands beside a solver that has it: set it there")
    start = (usual if kind is type(usual) else None) if isinstance(named, str) else named
    each = None
    field = next(name for name, option in kind.settings.items() if option == kind.knob.option)
    if kind.each and hasattr(own.get(field), "__len__") and not isinstance(own[field], str):
        each = own.pop(field)
    own = {name: _typed(kind, name, value) for name, value in own.items()}
    return (kind(**own) if start is None else replace(start, **own)), each  # type: ignore[type-var]


def _typed(kind: type[Solver], name: str, value: Any) -> Any:
    """A setting of a solver, of the type that its field has.

    Raises:
        ValueError: it is of another.
    """
    (wanted,) = (field.type for field in fields(kind) if field.name == name)  # type: ignore[arg-type]
    if wanted is int:
        return whole_of(value, name, least=1)
    if wanted is bool and not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}: expected True or False")
    if wanted is float and not is_number(value):
        raise ValueError(f"{name} is {value!r}: expected a number")
    return value


def _knob(how: Method, option: str, rest: dict[str, Any]) -> float | str:
    value = rest.pop(option)
    automatic = isinstance(value, str) and value == AUTO and option == how.knobs[0].option and bool(how.tried)
    return AUTO if automatic else number_of(value, option)


def _common(how: Method, config: AnswerConfig, rest: dict[str, Any]) -> dict[str, Any]:
    """The settings that are every method's, checked, and taken out of the others."""
    found: dict[str, Any] = {}
    if "rerank" in rest:
        found["rerank"] = number_of(rest.pop("rerank"), "rerank")
        if found["rerank"] and how.exact_only:
            raise OptionError(f"rerank mixes with likeness what {how.name} puts first by itself: leave it out")
    if "aim" in rest and how.tried:
        if config.raw(how.knobs[0]) != AUTO:
            raise OptionError(f"aim says what {how.knobs[0].option}={AUTO!r} is chosen for: leave one of them out")
        aim = rest.pop("aim")
        found["aim"] = Aim.parsed(f"{aim.kind}={aim.share}" if isinstance(aim, Aim) else str(aim))
    for name, least in (("seed", 0), ("batch_size", 1)):
        if name in rest:
            found[name] = whole_of(rest.pop(name), name, least=least)
    return found
