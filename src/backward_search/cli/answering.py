"""The options of D1 and E1: conditions, the search, the student, and what answers and judges."""

import math
from dataclasses import dataclass

from backward_search.cli.definition import (
    Options,
    ProtocolOptions,
    conditioned_attributes,
    number,
    option,
    require,
)
from backward_search.cli.training import ENGINES, RunOptions
from backward_search.errors import OptionError
from backward_search.methods.registry import METHODS

AIM, AUTO = "precision=0.85", "auto"

OUTPUTS = ("tanh", "linear", "residual")
"""Of the student."""

LOSSES = ("mse", "l1")
"""Of the student, before `student_reg`."""

from backward_search.solvers.registry import SOLVERS as SOLVER_KINDS

SOLVERS = tuple(SOLVER_KINDS)


def parsed_aim(text: str) -> tuple[str, float]:
    """What a strength is chosen for, "precision" or "context", and the share of it to attain.

    Raises:
        OptionError: the text is neither precision=S nor context=S.
    """
    name, _, share = text.partition("=")
    require(name in ("precision", "context"), f"--aim {text} is neither precision=S nor context=S")
    value = number("--aim", share)
    require(0 < value <= 1, f"--aim {text}: the share must lie between 0 and 1")
    return name, value


@dataclass(frozen=True)
class TaskOptions(RunOptions):
    """Which condition, and how the teacher searches."""

    num_condition: int = option("condition on the first n attributes of the category type", 1)
    condition_on: str = option("condition on these attributes instead, comma-separated", "")
    batch_size: int = option("queries searched at once", 512)
    inverse_solver: str = option(
        "adam, as published, or manifold: along the covariance of the training embeddings", "adam", choices=SOLVERS
    )
    target_probability: float = option("what the manifold solver makes of each condition: larger goes further", 0.95)
    inverse_lr: float = option("learning rate of the search", 0.2)
    inverse_lambda: float = option(
        "weight of the distance to the query: larger stays closer", of_dataset="inverse_lambda"
    )
    inverse_max_itr: int = option("most steps of the search", 100)
    inverse_earlystopping: bool = option("stop a query that no longer improves", True)
    student_reg: float = option("weight of the distance to the query in the student's loss", 0.0)
    student_num_epoch: int = option("training epochs of the student, plus one: 50 trains 49, as published", 50)
    student_hidden: int = option("units of the student's hidden layers", of_dataset="student_hidden")
    student_depth: int = option("hidden layers of the student", 2)
    student_output: str = option(
        "tanh keeps the moved query in (-1, 1), linear does not, residual gives the move that is added to the query",
        of_dataset="student_output",
        choices=OUTPUTS,
    )
    student_loss: str = option(
        "the student's distance to the teacher: mse, as published, or l1", of_dataset="student_loss", choices=LOSSES
    )
    student_lambda_range: str = option("train one student for all lambdas from,to: lambda is its input", "")

    @property
    def conditioned(self) -> tuple[str, ...]:
        """The conditioned attributes: in the order of the category type, or as `condition_on` names them."""
        return conditioned_attributes(self.attributes, self.num_condition, self.condition_on)

    @property
    def strength_mark(self) -> str:
        """The part of a file name that says how strong the teacher is: `lambda1.1`, `manifold0.95`."""
        manifold = self.inverse_solver == "manifold"
        return f"manifold{self.target_probability}" if manifold else f"lambda{self.inverse_lambda}"

    @property
    def strength_in_words(self) -> str:
        """The same for a reader."""
        manifold = self.inverse_solver == "manifold"
        return f"probability {self.target_probability}" if manifold else f"lambda {self.inverse_lambda}"

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

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        conditioned_attributes(self.attributes, self.num_condition, self.condition_on)
        require(self.batch_size > 0, f"--batch_size {self.batch_size} must be positive")
        p = self.target_probability
        require(0 < p < 1, f"--target_probability {p} must lie between 0 and 1")
        require(self.inverse_lr > 0, f"--inverse_lr {self.inverse_lr} must be positive")
        require(self.inverse_lambda >= 0, f"--inverse_lambda {self.inverse_lambda} must not be negative")
        require(self.inverse_max_itr > 0, f"--inverse_max_itr {self.inverse_max_itr} must be positive")
        require(self.student_reg >= 0, f"--student_reg {self.student_reg} must not be negative")
        require(self.student_num_epoch > 1, f"--student_num_epoch {self.student_num_epoch} must be at least 2")
        require(self.student_hidden > 0, f"--student_hidden {self.student_hidden} must be positive")
        require(self.student_depth > 0, f"--student_depth {self.student_depth} must be positive")
        ranged = self.student_lambdas is not None
        require(not ranged or self.inverse_solver == "adam", "--student_lambda_range is for --inverse_solver adam")


@dataclass(frozen=True)
class DistillOptions(TaskOptions):
    """How the student is trained."""

    batch_size: int = option("embeddings in a step", 512)
    onnx: bool = option("write the student as an ONNX file too (requirements-onnx.txt)", False)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.batch_size > 1, f"--batch_size {self.batch_size} must be at least 2 (BatchNorm)")


@dataclass(frozen=True)
class EngineChoice(Options):
    """What finds the images near a query."""

    engine: str = option("exact scores every image; the others need their index (C2)", "exact", choices=ENGINES)
    shortlist: int = option("candidates per query that an engine other than exact proposes for exact scores", 200)
    nprobe: int = option("cells of the inverted file that are looked into (faiss-ivfpq)", 32)
    ef_search: int = option("candidates an HNSW graph keeps, at least the shortlist (faiss-hnsw, milvus)", 200)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        for name in ("shortlist", "nprobe", "ef_search"):
            require(getattr(self, name) > 0, f"--{name} {getattr(self, name)} must be positive")

    def refusal(self, method: str) -> str:
        """Why the engine cannot serve a method; "" where it can."""
        if self.engine == "exact" or not METHODS[method].exact_only:
            return ""
        return (
            f"--engine {self.engine} proposes images by what they look like, and {method} wants those that "
            "pass first, however unlike: use --engine exact"
        )


@dataclass(frozen=True)
class EngineOptions(EngineChoice, TaskOptions):
    """What finds the images near a query, and among which."""

    split: str = option("the split of queries and gallery", "test", choices=("train", "test"))


@dataclass(frozen=True)
class AnswerOptions(EngineOptions):
    """What is asked of the queries."""

    condition: str = option(
        "one condition for every query in place of its own, such as style!=Rococo or style=0.6*Rococo+0.4*Baroque", ""
    )
    search_topk: int = option("hits per query", 10)
    rerank: float = option("weight of the condition's log-probability, added to any method's score", 0.0)
    strength: str = option(
        "of best: 0 asks for likeness alone, 1 and more for the condition; of concept_null: the weight of the "
        "condition's log-probability; or auto (default: the method's)",
        "",
    )
    aim: str = option(
        "what auto reaches on training images: precision=S, that share of what the greatest strength attains, or "
        "context=S, that share of what the least keeps",
        AIM,
    )
    shift: float = option("how much of the difference of class means class_shift and best move by", 1.0)

    def refusal(self, method: str) -> str:
        """Why a method cannot answer as is asked; "" where it can."""
        if self.rerank and METHODS[method].exact_only:
            return f"--rerank mixes with likeness what {method} puts first by itself: leave it out"
        return super().refusal(method)

    def weight_of(self, method: str) -> float | str:
        """The weight, or strength, of a method; "auto" where it is yet to be chosen. --strength speaks of two methods.

        Raises:
            OptionError: it is no number.
        """
        if not self.strength:
            return ""
        return AUTO if self.strength == AUTO else number("--strength", self.strength)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        self.weight_of("best")
        parsed_aim(self.aim)
        require(self.search_topk > 0, f"--search_topk {self.search_topk} must be positive")
        require(self.rerank >= 0, f"--rerank {self.rerank} must not be negative")


@dataclass(frozen=True)
class EvaluateOptions(ProtocolOptions, AnswerOptions):
    """What is evaluated."""

    method: str = option(f"what answers a query: {', '.join(METHODS)}", "", choices=("", *METHODS))
    evaluation_distill: bool = option("older name of --method student", False)
    search_random: bool = option("older name of --method random", False)
    omit_tagless_img: bool = option("leave images without any tag out of the gallery", True)
    save_result: bool = option("write each query's hits as a CSV too", False)
    inverse_lambda: float = option(
        "weight of the distance to the query: larger stays closer; several, comma-separated, are a --sweep",
        of_dataset="inverse_lambda",
        list_goes_to="sweep",
    )
    sweep: str = option("evaluate the teacher under each of these lambdas, comma-separated, in one search", "")

    @property
    def lambdas(self) -> list[float]:
        """The lambdas under which the teacher is evaluated: those of the sweep, or the one."""
        try:
            values = [float(word) for word in self.sweep.split(",") if word.strip()]
        except ValueError:
            raise OptionError(f"--sweep {self.sweep} is not a list of numbers such as 0.1,0.5,1") from None
        require(all(0 <= value < math.inf for value in values), f"--sweep {self.sweep} must not be negative")
        return list(dict.fromkeys(values)) or [self.inverse_lambda]

    @property
    def chosen_method(self) -> str:
        """The method, whichever of its names was used."""
        older = [name for name, on in (("student", self.evaluation_distill), ("random", self.search_random)) if on]
        wanted = {name for name in (self.method, *older) if name}
        require(
            len(wanted) < 2, f"--method, --evaluation_distill and --search_random disagree: {', '.join(sorted(wanted))}"
        )
        return wanted.pop() if wanted else "teacher"

    @property
    def searches_exactly(self) -> bool:
        """Whether no index has a part in the hits."""
        return self.engine == "exact" or METHODS[self.chosen_method].ignores_engine

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.chosen_method in METHODS, f"--method {self.method} is not one of {', '.join(METHODS)}")
        refusal = self.refusal(self.chosen_method)
        require(not refusal, refusal)
        free = bool(METHODS[self.chosen_method].tried)
        require(
            free or not self.strength, f"--strength is for concept_null and best, not {self.chosen_method}: --rerank"
        )
        several = len(self.lambdas) > 1
        require(
            self.chosen_method == "teacher" or not self.sweep,
            f"--sweep is for the teacher, and --method is {self.chosen_method}",
        )
        require(not several or self.inverse_solver == "adam", "--sweep is for --inverse_solver adam")
