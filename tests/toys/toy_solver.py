"""A solver from outside the package: so many plain steps against the sign of the gradient."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from backward_search.conditions.batch import Conditions
from backward_search.solvers.protocol import Ground, Knob, SearchResult
from backward_search.solvers.registry import SOLVERS


@dataclass(frozen=True)
class Signs:
    """Steps of one length in every direction."""

    name: ClassVar[str] = "signs"
    summary: ClassVar[str] = "so many plain steps"
    knob: ClassVar[Knob] = Knob("signs_steps", "steps", "signs", "steps: more go further", 0.0, 20.0, 5.0)
    settings: ClassVar[Mapping[str, str]] = {"steps": "signs_steps"}
    each: ClassVar[bool] = False
    needs_training: ClassVar[bool] = False

    steps: float = 5.0
    length: float = 0.05

    @property
    def record(self) -> dict[str, Any]:
        """All settings."""
        return asdict(self)

    @property
    def marks(self) -> str:
        """Nothing else can be set."""
        return ""

    def search(
        self,
        ground: Ground,
        queries: Tensor,
        conditions: Conditions,
        *,
        knobs: Tensor | None = None,
        trace: bool = False,
    ) -> SearchResult:
        """Make the steps."""
        assert knobs is None
        objective, z, path = ground.heads.objective(conditions), queries.clone(), [queries]
        loss = queries.new_zeros(len(queries))
        for _ in range(int(self.steps)):
            loss, gradient = objective.loss_and_gradient(z)
            z = z - self.length * gradient.sign()
            path.append(z)
        made = torch.full((len(queries),), int(self.steps))
        way = torch.stack(path, dim=1) if trace else None
        return SearchResult(z, made, loss, torch.zeros(len(queries), dtype=torch.bool), path=way)


SOLVERS.register(Signs.name, Signs)
