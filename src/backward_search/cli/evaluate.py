"""The options of E1."""

import math
from dataclasses import dataclass

from backward_search.cli import about, answering_groups, groups
from backward_search.cli.definition import option, require
from backward_search.errors import OptionError
from backward_search.methods.registry import METHODS


@dataclass(frozen=True)
class EvaluateOptions(
    groups.ProtocolOptions,
    answering_groups.AskingOptions,
    groups.SplitOptions,
    answering_groups.EngineChoice,
    answering_groups.StudentOptions,
    answering_groups.SolverOptions,
    answering_groups.TaskOptions,
    groups.RunOptions,
    groups.ModelOptions,
    groups.WeightOptions,
    groups.DeviceOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """What is evaluated."""

    method: str = option(
        lambda: f"what answers a query (default: teacher): {', '.join(METHODS)}",
        "",
        choices=lambda: ("", *METHODS),
        usual=True,
    )
    evaluation_distill: bool = option("older name of --method student", False)
    search_random: bool = option("older name of --method random", False)
    omit_tagless_img: bool = option("leave images without any tag out of the gallery", True)
    save_result: bool = option("write each query's hits as a CSV too", False)
    inverse_lambda: float = option(
        "weight of the distance to the query: larger stays closer; several, comma-separated, are a --sweep",
        of_dataset="inverse_lambda",
        list_goes_to="sweep",
        usual=True,
        methods=answering_groups.SEARCHING,
    )
    verbose: bool = option("show every column of the tables, as the log has them", False, usual=True)
    sweep: str = option(
        "evaluate the teacher under each of these lambdas, comma-separated, in one search",
        "",
        methods=answering_groups.TEACHER,
    )

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
    def about(self) -> str:
        """What is about to be done."""
        strict = self.protocol == "strict"
        count = about.queries(self.data.queries(self.conditioned, self.split, strict=strict))
        images = about.images(self.data, [self.split], f"{self.split} images")
        task = f"{self.dataset_name}, conditions on {'+'.join(self.conditioned)}"
        size = about.listed(count, images, about.on_device(self.device))
        return f"Evaluate {self.chosen_method} on {task}: {size}"

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        method = self.chosen_method
        words = answering_groups.refusal(method, self.engine, self.rerank)
        require(not words, words)
        strong = [name for name in METHODS if METHODS[name].tried]
        require(method in strong or not self.strength, f"--strength is for {', '.join(strong)}, not {method}: --rerank")
        require(method == "teacher" or not self.sweep, f"--sweep is for the teacher, and --method is {method}")
        several = len(self.lambdas) > 1
        require(not several or self.inverse_solver == "adam", "--sweep is for --inverse_solver adam")
