"""What a result of the paper's tables is made with: the options of every script that has a part in it."""

from dataclasses import dataclass

from backward_search.cli import (
    DistillOptions,
    EmbedOptions,
    EvaluateOptions,
    PaperTableOptions,
    QueryOptions,
    TrainOptions,
    next_command,
    parse,
)
from backward_search.paper.tasks import PaperTask


@dataclass(frozen=True)
class Settings:
    """What one result of the tables is made with, for every script that has a part in it.

    Attributes:
        tables: the options of the tables.
        task: the task.
        encoder: the encoder.
        enc_update: whether it was trained too.
    """

    tables: PaperTableOptions
    task: PaperTask
    encoder: str
    enc_update: bool = True

    @property
    def run(self) -> EmbedOptions:
        """The options of C1, which name the trained model."""
        return parse(EmbedOptions, None, self._run_words)

    def evaluation(self, *words: str) -> EvaluateOptions:
        """The options of E1, with further ones such as `--method`."""
        overwrite = ["--overwrite", str(self.tables.overwrite)]
        return parse(EvaluateOptions, None, [*self._task_words, "--protocol", self.tables.protocol, *overwrite, *words])

    @property
    def queries(self) -> QueryOptions:
        """The options of A2."""
        names = ("--dataset_name", self.task.dataset, "--data_root", self.tables.data_root)
        return parse(QueryOptions, None, [*names, "--protocol", self.tables.protocol])

    @property
    def training(self) -> TrainOptions:
        """The options of B1."""
        return parse(TrainOptions, None, [*self._run_words, "--pretrained", str(self.tables.pretrained)])

    @property
    def distillation(self) -> DistillOptions:
        """The options of D1."""
        return parse(DistillOptions, None, self._task_words)

    def commands(self, evaluation: EvaluateOptions) -> dict[str, str]:
        """By script the command that does its part of an evaluation."""
        student = parse(DistillOptions, None, self._task_words)
        return {
            "A1": f"python {evaluation.entry.prepare}" + _roots(self.tables),
            "A2": next_command(self.queries, "A2.Query-Generating.py", QueryOptions),
            "B1": next_command(self.training, "B1.BuildModel.py", TrainOptions),
            "C1": next_command(self.run, "C1.ModelTest.py", EmbedOptions),
            "D1": next_command(student, "D1.Train-KD-Model.py", DistillOptions),
            "E1": next_command(evaluation, "E1.Model-Evaluation.py", EvaluateOptions),
        }

    @property
    def _run_words(self) -> list[str]:
        task, given = self.task, self.tables
        names = ("data_root", "weight_root", "mname", "encoding_size", "num_epoch", "recipe", "device", "n_workers")
        values = {name: getattr(given, name) for name in names} | {
            "dataset_name": task.dataset,
            "category_type": task.category_type,
            "encoder_model": self.encoder,
            "enc_update": self.enc_update,
        }
        return _words(values)

    @property
    def _task_words(self) -> list[str]:
        task = self.task
        return self._run_words + _words({"num_condition": task.num_condition, "inverse_lambda": task.inverse_lambda})


def _words(values: dict[str, object]) -> list[str]:
    return [word for name, value in values.items() if value is not None for word in (f"--{name}", str(value))]


def _roots(options: PaperTableOptions) -> str:
    return "" if options.data_root == "data" else f" --data_root {options.data_root}"
