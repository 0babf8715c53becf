"""The options that D1, E1, E2 and F1 share: conditions, search, student, engine, and how queries are asked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from backward_search.cli.definition import not_negative, number, option, positive, require
from backward_search.errors import OptionError
from backward_search.gallery.engines.registry import ENGINES
from backward_search.methods.registry import METHODS
from backward_search.solvers.registry import SOLVERS

EXACT, AUTO = "exact", "auto"
AIM = "precision=0.95"
OUTPUTS = ("tanh", "linear", "residual")
"""Of the student."""
LOSSES = ("mse", "l1")
"""Of the student, before `student_reg`."""
TEACHER, STUDENTS, SEARCHING = ("teacher",), ("student",), ("teacher", "student")
WEIGHED = ("concept_null", "shift_null", "context", "best", "basic", "product")
SHIFTED = ("class_shift", "shift_null", "best")
"""The methods that some options are for, those of this package; loading all of them for --help would take seconds."""


class HasAttributes(Protocol):
    """Options that name attributes and which of them are conditioned."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Those of the run."""

    @property
    def num_condition(self) -> int:
        """So many of the first."""

    @property
    def condition_on(self) -> str:
        """Or these."""


class HasSolver(Protocol):
    """Options that name a solver and a range of lambdas of the student."""

    @property
    def inverse_solver(self) -> str:
        """The solver."""

    @property
    def student_lambda_range(self) -> str:
        """From, to."""

    @property
    def student_lambdas(self) -> tuple[float, float] | None:
        """The same as numbers."""


def conditioned_attributes(attributes: tuple[str, ...], num_condition: int, condition_on: str) -> tuple[str, ...]:
    """The attributes that are conditioned on: the first `num_condition`, or those named in `condition_on`.

    Raises:
        OptionError: there are not so many, or one of the named is not among `attributes`.
    """
    if condition_on:
        names = tuple(condition_on.split(","))
        unknown = [name for name in names if name not in attributes]
        require(
            not unknown, f"--condition_on {condition_on}: {', '.join(unknown)} is not among {', '.join(attributes)}"
        )
        require(len(set(names)) == len(names), f"--condition_on {condition_on} names an attribute twice")
        return names
    require(
        1 <= num_condition <= len(attributes),
        f"--num_condition {num_condition} is not possible: the category type has {len(attributes)} "
        f"({', '.join(attributes)})",
    )
    return attributes[:num_condition]


def engine_names() -> list[str]:
    """The engines, the exact one first."""
    return [EXACT, *ENGINES]


@dataclass(frozen=True)
class TaskOptions:
    """Which condition."""

    num_condition: int = option("condition on the first n attributes of the category type", 1, usual=True)
    condition_on: str = option("condition on these attributes instead, comma-separated", "")
    batch_size: int = option("queries searched at once", 512)

    @property
    def conditioned(self: HasAttributes) -> tuple[str, ...]:
        """The conditioned attributes: in the order of the category type, or as `condition_on` names them."""
        return conditioned_attributes(self.attributes, self.num_condition, self.condition_on)

    def check(self: HasAttributes) -> None:
        """Refuse values that cannot be meant."""
        conditioned_attributes(self.attributes, self.num_condition, self.condition_on)
        positive(self, "batch_size")


@dataclass(frozen=True)
class SolverOptions:
    """How the teacher searches."""

    inverse_solver: str = option(
        "adam, as published, or manifold: along the covariance of the training embeddings",
        "adam",
        choices=lambda: tuple(SOLVERS),
        methods=SEARCHING,
    )
    target_probability: float = option(
        "what the manifold solver makes of each condition: larger goes further", 0.95, methods=SEARCHING
    )
    inverse_lr: float = option("learning rate of the search", 0.2, methods=SEARCHING)
    inverse_lambda: float = option(
        "weight of the distance to the query: larger stays closer",
        of_dataset="inverse_lambda",
        usual=True,
        methods=SEARCHING,
    )
    inverse_max_itr: int = option("most steps of the search", 100, methods=SEARCHING)
    inverse_earlystopping: bool = option("stop a query that no longer improves", True, methods=SEARCHING)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        p = self.target_probability
        require(0 < p < 1, f"--target_probability {p} must lie between 0 and 1")
        positive(self, "inverse_lr", "inverse_max_itr")
        not_negative(self, "inverse_lambda")


@dataclass(frozen=True)
class StudentOptions:
    """Which student."""

    student_reg: float = option("weight of the distance to the query in the student's loss", 0.0, methods=STUDENTS)
    student_num_epoch: int = option(
        "training epochs of the student, plus one: 50 trains 49, as published", 50, methods=STUDENTS
    )
    student_hidden: int = option("units of the student's hidden layers", of_dataset="student_hidden", methods=STUDENTS)
    student_depth: int = option("hidden layers of the student", 2, methods=STUDENTS)
    student_output: str = option(
        "tanh keeps the moved query in (-1, 1), linear does not, residual gives the move that is added to the query",
        of_dataset="student_output",
        choices=OUTPUTS,
        methods=STUDENTS,
    )
    student_loss: str = option(
        "the student's distance to the teacher: mse, as published, or l1",
        of_dataset="student_loss",
        choices=LOSSES,
        methods=STUDENTS,
    )
    student_lambda_range: str = option(
        "train one student for all lambdas from,to: lambda is its input", "", methods=STUDENTS
    )

    @property
    def student_lambdas(self) -> tuple[float, float] | None:
        """The least and the largest lambda of a student that takes it as an input; None for the usual one."""
        if not self.student_lambda_range:
            return None
        message = f"--student_lambda_range {self.student_lambda_range} is not two rising positive numbers such as 0.1,3"
        try:
            low, high = (float(word) for word in self.student_lambda_range.split(","))
        except ValueError:
            raise OptionError(message) from None
        require(0 < low < high < math.inf, message)
        return low, high

    def check(self: HasSolver) -> None:
        """Refuse values that cannot be meant."""
        not_negative(self, "student_reg")
        epochs: int = getattr(self, "student_num_epoch")  # noqa: B009 - of this group, whatever the class
        require(epochs > 1, f"--student_num_epoch {epochs} must be at least 2")
        positive(self, "student_hidden", "student_depth")
        ranged = self.student_lambdas is not None
        require(not ranged or self.inverse_solver == "adam", "--student_lambda_range is for --inverse_solver adam")


@dataclass(frozen=True)
class EngineChoice:
    """What finds the images near a query."""

    engine: str = option("exact scores every image; the others need their index (C2)", EXACT, choices=engine_names)
    shortlist: int = option("candidates per query that an engine other than exact proposes for exact scores", 200)
    nprobe: int = option("cells of the inverted file that are looked into (faiss-ivfpq)", 32)
    ef_search: int = option("candidates an HNSW graph keeps, at least the shortlist (faiss-hnsw, milvus)", 200)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        positive(self, "shortlist", "nprobe", "ef_search")


@dataclass(frozen=True)
class AskingOptions:
    """What is asked of the queries."""

    condition: str = option(
        "one condition for every query instead of its own, such as style!=Rococo",
        "",
        usual=True,
    )
    search_topk: int = option("hits per query", 10)
    rerank: float = option("weight of the condition's log-probability, added to any method's score", 0.0)
    strength: str = option(
        "weight of the condition beside likeness, from 0, or auto (default: the method's)",
        "",
        methods=WEIGHED,
        usual=True,
    )
    aim: str = option(
        "what auto reaches on training images: precision=S, that share of what the greatest strength attains, or "
        "context=S, that share of what the least keeps",
        AIM,
        methods=WEIGHED,
    )
    shift: float = option(
        "how much of the difference of class means class_shift and best move by", 1.0, methods=SHIFTED
    )
    further: Mapping[str, float] = field(default_factory=dict, kw_only=True, metadata={"further": True})
    """By option the knobs of solvers and methods that other packages add."""

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        if self.strength not in ("", AUTO):
            number("--strength", self.strength)
        kind, _, share = self.aim.partition("=")
        require(kind in ("precision", "context"), f"--aim {self.aim} is neither precision=S nor context=S")
        value = number("--aim", share)
        require(0 < value <= 1, f"--aim {self.aim}: the share must lie between 0 and 1")
        positive(self, "search_topk")
        not_negative(self, "rerank")


def refusal(method: str, engine: str, rerank: float) -> str:
    """Why a method cannot answer as is asked; "" where it can."""
    how = METHODS.find(method)
    if not how.exact_only:
        return ""
    if rerank:
        return f"--rerank mixes with likeness what {method} puts first by itself: leave it out"
    if engine != EXACT:
        return (
            f"--engine {engine} proposes images by what they look like, and {method} wants those that pass first, "
            f"however unlike: use --engine {EXACT}"
        )
    return ""
