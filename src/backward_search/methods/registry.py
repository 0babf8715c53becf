"""The methods behind `--method`."""

from typing import TYPE_CHECKING

from backward_search.registry import Registry

if TYPE_CHECKING:  # names alone are light
    from backward_search.methods.protocol import Method

DRAWN = ("unchanged", "teacher", "student", "best")
"""What is shown side by side unless something else is asked for."""

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
