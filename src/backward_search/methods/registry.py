"""The methods behind `--method`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from backward_search.registry import Registry

if TYPE_CHECKING:  # names alone are light
    from backward_search.methods.protocol import Method

DRAWN = ("unchanged", "teacher", "student", "best")
"""What is shown side by side unless something else is asked for."""
STAND_INS = {"best": "shift_null"}
"""What is shown in place of one of these that cannot answer."""

METHODS: "Registry[type[Method]]" = Registry(
    "method",
    {
        "random": "methods.likeness:Random",
        "unchanged": "methods.likeness:Unchanged",
        "teacher": "methods.moving:Teacher",
        "student": "methods.moving:StudentMethod",
        "class_shift": "methods.moving:ClassShift",
        "class_mean": "methods.moving:ClassMean",
        "predicted_filter": "methods.likeness:PredictedFilter",
        "label_filter": "methods.likeness:LabelFilter",
        "concept_null": "methods.null_space:ConceptNull",
        "shift_null": "methods.null_space:ShiftNull",
        "context": "methods.context:Context",
        "best": "methods.context:Best",
        "basic": "methods.baselines:Basic",
        "product": "methods.baselines:Product",
    },
)
"""By name; another package adds one by `METHODS.register(name, kind)`."""


def drawn(can: Callable[[str], bool]) -> list[str]:
    """Those of `DRAWN` that can answer, by their stand-ins where they cannot.

    >>> drawn(lambda name: name not in ("best", "student"))
    ['unchanged', 'teacher', 'shift_null']
    """
    each = [name if can(name) else STAND_INS.get(name, name) for name in DRAWN]
    return [name for name in each if can(name)]
