"""What E1 evaluates, as one value: how a result is called, what it depends on, and what its file says of it."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backward_search.gallery.engines.index import EXACT, EngineSettings
from backward_search.gallery.engines.registry import ENGINES
from backward_search.methods.config import AUTO, Aim, AnswerConfig
from backward_search.methods.protocol import Method
from backward_search.methods.registry import METHODS
from backward_search.runs.students import strength_mark
from backward_search.solvers.protocol import knob_value, turned
from backward_search.storage.paths import RunPaths

RECORDED = {"strength": "weight"}
"""What a result calls a knob, where it is not the knob's option."""
LAMBDA = "inverse_lambda"
"""The knob of the published search, which a result calls `lambda`."""


@dataclass(frozen=True)
class Evaluation:
    """One result of E1.

    Attributes:
        method: what answers the queries.
        conditioned: the attributes whose query file is taken.
        config: how.
        engine: what finds the images near a query.
        given: by mark the method's own knobs that are not as usual, as they were written.
        k: hits per query.
        split: whose images are queries and gallery.
        omit_tagless: whether images without any tag are left out of the gallery.
        strict: whether by the strict protocol.
        condition: one for every query in place of its own; "" for none.
    """

    method: str
    conditioned: tuple[str, ...]
    config: AnswerConfig
    engine: EngineSettings = field(default_factory=EngineSettings)
    given: Mapping[str, str] = field(default_factory=dict)
    k: int = 10
    split: str = "test"
    omit_tagless: bool = True
    strict: bool = False
    condition: str = ""

    @property
    def how(self) -> Method:
        """The method."""
        return METHODS.find(self.method)()

    @property
    def exact(self) -> bool:
        """Whether no index has a part in the hits."""
        return self.engine.engine == EXACT or self.how.ignores_engine

    @property
    def asked(self) -> int:
        """Hits asked of the gallery: by the strict protocol one more, since the query's own image is none."""
        return self.k + self.strict

    @property
    def protocol(self) -> str:
        """The protocol's name."""
        return "strict" if self.strict else "paper"

    def at(self, lambda_: float) -> "Evaluation":
        """The same under another lambda."""
        return replace(self, config=replace(self.config, solver=turned(self.config.solver, lambda_)))

    def place(self, paths: RunPaths) -> Path:
        """Where the result goes: `results/<task>/<method>[-lambda0.5][-...].json`."""
        return paths.result("-".join(self.conditioned), self._name(self.method))

    def sweep_place(self, paths: RunPaths) -> Path:
        """Where the measures over lambda go: `results/<task>/sweep[-...].csv`; the figure lies beside it."""
        strength = f"-{strength_mark(self.config.solver)}"
        name = self._name(self.method).replace(f"{self.method}{strength}", "sweep", 1)
        return paths.result("-".join(self.conditioned), name).with_suffix(".csv")

    def _name(self, name: str) -> str:
        how, config = self.how, self.config
        name += f"-{strength_mark(config.solver)}" if how.searches else ""
        name += how.marks(config)
        rerank = {"rerank": f"{config.rerank}"} if config.rerank else {}
        shift = {mark: word for mark, word in self.given.items() if mark == "shift"}
        for mark, word in (shift | rerank | dict(self.given)).items():
            name += f"-{mark}{word}"
        if self._chooses:
            name += "" if config.aim == Aim() else f"-{config.aim.text.replace('=', '')}"
        if not self.exact:
            name += f"-{self.engine.engine}-short{self.engine.shortlist}"
            marks = ENGINES.find(self.engine.engine).searched_with
            name += "".join(f"-{mark}{getattr(self.engine, option)}" for option, mark in marks.items())
        name += "" if self.k == 10 else f"-top{self.k}"
        name += "" if self.split == "test" else f"-{self.split}"
        name += "" if self.omit_tagless else "-tagless"
        name += "-strict" if self.strict else ""
        return name + (f"-{_in_a_name(self.condition)}" if self.condition else "")

    def record(self, index: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that the result depends on.

        Args:
            index: how the engine's index was built.
        """
        config, how = self.config, self.how
        chosen: dict[str, Any] = {
            "method": self.method,
            "search_topk": self.k,
            "split": self.split,
            "protocol": self.protocol,
            "omit_tagless_img": self.omit_tagless,
        }
        chosen |= {"condition": self.condition} if self.condition else {}
        if not self.exact:
            names = ("engine", "shortlist", "nprobe", "ef_search")
            chosen |= {name: getattr(self.engine, name) for name in names} | {"index": dict(index)}
        knobs = {RECORDED.get(knob.option, knob.option): config.raw(knob) for knob in how.knobs}
        chosen |= {name: value for name, value in knobs.items() if value or name not in RECORDED.values()}
        chosen |= {"rerank": config.rerank} if config.rerank else {}
        chosen |= {"aim": config.aim.text, "seed": config.seed} if self._chooses else {}
        return chosen | how.record(config)

    def facts(self, *, each_its_own: bool) -> dict[str, Any]:
        """What the result's file says of how queries were answered.

        Args:
            each_its_own: whether every query has a lambda of its own.
        """
        searched, solver = self.how.searches, self.config.solver
        published = solver.knob.option == LAMBDA
        own = knob_value(solver) if searched and published else None
        other = {} if published else {"solver": solver.name, solver.knob.option: knob_value(solver)}
        return {
            "condition": self.condition or None,
            "method": self.method,
            "lambda": "per query" if each_its_own else own,
            **(other if searched else {}),
            "protocol": self.protocol,
            "split": self.split,
        }

    @property
    def _chooses(self) -> bool:
        """Whether a knob is chosen on training images."""
        how = self.how
        return bool(how.knobs) and not how.searches and self.config.raw(how.knobs[0]) == AUTO


def _in_a_name(condition: str) -> str:
    """A condition as part of a file name: its words, and a checksum of the signs between them."""
    words = "_".join(re.findall(r"[\w.-]+", condition))[:60]
    return f"{words}-{zlib.crc32(condition.encode()):08x}"
