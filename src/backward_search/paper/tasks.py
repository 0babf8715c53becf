"""The tasks and encoders of the paper's tables, as words on a command line, and the commands that make their parts."""

from dataclasses import dataclass

from backward_search.cli import (
    DistillOptions,
    EmbedOptions,
    EvaluateOptions,
    Options,
    PaperTableOptions,
    QueryOptions,
    RunOptions,
    TaskOptions,
    TrainOptions,
    next_command,
    parse,
)
from backward_search.data import registry


@dataclass(frozen=True)
class PaperTask:
    """One task of the tables.

    Attributes:
        dataset: its data set.
        category_type: the attributes that the model is trained on.
        num_condition: the first n of them are conditioned on.
        inverse_lambda: the lambda of its results.
        encoders: those of Table 3; the first is that of all other tables.
    """

    dataset: str
    category_type: str
    num_condition: int
    inverse_lambda: float
    encoders: tuple[str, ...]


_ENCODERS = ("convnext_base", "resnet50", "vgg16_bn", "vit_b")
_PUBLISHED = (
    PaperTask("CUB", "birds", 1, 0.51, _ENCODERS),
    PaperTask("APY", "category", 1, 0.7, _ENCODERS),
    PaperTask("wikiart", "stylegenre", 1, 1.1, _ENCODERS),
    PaperTask("wikiart", "stylegenre", 2, 3.2, _ENCODERS),
)
_FURTHER_ENCODERS = {"glyphs": ("mobilenet_v3_small",)}
"""Of data sets that are not the paper's, beside their own."""


def tasks_of(dataset: str, data_root: str) -> list[PaperTask]:
    """The tasks of a data set: the paper's, or one and two conditions at the data set's own lambda."""
    published = [task for task in _PUBLISHED if task.dataset == dataset]
    if published:
        return published
    entry = registry.find(dataset, data_root)
    kind, encoders = entry.default_category_type, (entry.encoder_model, *_FURTHER_ENCODERS.get(dataset, ()))
    counts = range(1, 1 + min(2, len(entry.attributes_of(kind))))
    return [PaperTask(dataset, kind, count, entry.inverse_lambda, encoders) for count in counts]


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
    def run(self) -> RunOptions:
        """The trained model."""
        return parse(RunOptions, None, self._run_words)

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
    def embedding(self) -> EmbedOptions:
        """The options of C1."""
        return parse(EmbedOptions, None, self._run_words)

    @property
    def distillation(self) -> DistillOptions:
        """The options of D1."""
        return parse(DistillOptions, None, self._task_words)

    def commands(self, evaluation: EvaluateOptions) -> dict[str, str]:
        """By script the command that does its part of an evaluation."""
        student = parse(TaskOptions, None, self._task_words)
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


def _roots(options: Options) -> str:
    return "" if options.data_root == "data" else f" --data_root {options.data_root}"
