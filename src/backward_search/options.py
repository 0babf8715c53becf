"""The options of the numbered scripts: each is defined once, as a field of a dataclass that the scripts share.

A script's options are one dataclass; `parse` makes the parser from its fields. The type of the field is the type of the
option, so that what reaches the package is typed and complete.
"""

import argparse
import math
import os
import shlex
import sys
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, NoReturn, TypeVar

from backward_search.datasets import registry
from backward_search.datasets.registry import DatasetEntry
from backward_search.errors import OptionError
from backward_search.files.paths import DataPaths
from backward_search.methods import AUTO, METHODS
from backward_search.recipe import RECIPES

ENGINES = ("exact", "faiss-flat", "faiss-ivfpq", "faiss-hnsw", "milvus")
PRECISIONS = ("auto", "fp32", "bf16")
SPLITS = ("train", "test")
OUTPUTS = ("tanh", "linear")
"""Of the student."""

Settings = TypeVar("Settings", bound="Options")


def option(
    help: str,
    default: Any = MISSING,
    *,
    of_dataset: str | None = None,
    choices: Sequence[str] = (),
    list_goes_to: str | None = None,
) -> Any:
    """Define one option.

    Args:
        help: what it does, with its unit.
        default: its default; left out, the option is required or `of_dataset`.
        of_dataset: the attribute of the data set's registry entry that serves as default.
        choices: the values it admits.
        list_goes_to: the option that a comma-separated list of values is meant for, where this one takes a single one.
    """
    metadata = {"help": help, "of_dataset": of_dataset, "choices": choices, "list_goes_to": list_goes_to}
    return field(default=default, kw_only=True, metadata=metadata)


@dataclass(frozen=True)
class Options:
    """Where data lie, and whether results may be replaced."""

    data_root: str = option("folder of the data sets", "data")
    overwrite: bool = option("replace results of other settings", False)

    def check(self) -> None:
        """Refuse values that cannot be meant, before anything is loaded.

        Raises:
            OptionError: there is such a value.
        """
        for name, value in vars(self).items():
            require(not isinstance(value, float) or math.isfinite(value), f"--{name} {value} is not a finite number")


@dataclass(frozen=True)
class ImportOptions(Options):
    """Which of the authors' files are imported."""

    source: str = option("the folder of what the authors published; those below it are searched too")
    epoch: int = option("the epoch whose weights are taken where a run has several (0: the last)", 0)
    weight_root: str = option("folder of the trained models", "weight")

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.epoch >= 0, f"--epoch {self.epoch} must not be negative")


@dataclass(frozen=True)
class DatasetOptions(Options):
    """Which data set."""

    dataset_name: str = option("the data set: CUB, APY, wikiart, glyphs, or the name of one of your own")
    seed: int = option("seed of everything random", 0)

    @property
    def entry(self) -> DatasetEntry:
        """The data set's registry entry."""
        return registry.find(self.dataset_name, self.data_root)

    @property
    def data(self) -> DataPaths:
        """The data set's files."""
        return DataPaths.of(self.data_root, self.dataset_name)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(0 <= self.seed < 2**32, f"--seed {self.seed} must lie between 0 and 2^32")


@dataclass(frozen=True)
class PrepareOptions(DatasetOptions):
    """How a data set is prepared; each A1 script names its data set itself."""

    check_only: bool = option("report on the raw data and write nothing but the report", False)
    n_workers: int = option("processes that write images (default: number of cores)", os.cpu_count() or 1)


@dataclass(frozen=True)
class DownloadOptions(PrepareOptions):
    """How a data set is prepared that its owners publish."""

    download: bool = option("fetch first what the data set's owners publish", False)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(
            not (self.download and self.check_only),
            "--check_only writes nothing but its report: leave --download out, or it",
        )


@dataclass(frozen=True)
class CubOptions(DownloadOptions):
    """How CUB is prepared."""

    as_published: bool = option("give each image its neighbour's tags, as the published tables do (11,787 rows)", False)


@dataclass(frozen=True)
class ApyOptions(DownloadOptions):
    """How aPY is prepared."""

    with_yahoo: bool = option("take the twelve aYahoo classes in (not part of the paper's experiment)", False)


@dataclass(frozen=True)
class CustomOptions(PrepareOptions):
    """How the user's own images are prepared."""

    source: str = option("a folder of one folder per class, a .csv, a .parquet or an .npz file")
    path_column: str = option("the column of the image paths", "path")
    image_column: str = option("the column of the image bytes (Parquet), instead of paths", "")
    label_columns: str = option("the label columns, comma-separated (default: all that have no other role)", "")
    tags_column: str = option("the column of comma-separated tags", "tags")
    split_column: str = option("the column that says train or test", "split")
    group_column: str = option("images of one group stay on one side of the split", "")
    test_size: float = option("share of the images that become the test split", 0.2)
    image_size: int = option("side of the network's input in pixels", 224)
    augment: bool = option("random crops and flips in training", True)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(0 < self.test_size < 1, f"--test_size {self.test_size} must lie between 0 and 1")
        require(self.image_size > 0, f"--image_size {self.image_size} must be positive")
        require(
            not self.image_column or self.source.lower().endswith(".parquet"),
            f"--image_column {self.image_column} is for a .parquet file, and --source is {self.source}",
        )


@dataclass(frozen=True)
class RunOptions(DatasetOptions):
    """Which trained model."""

    mname: str = option("first part of the run's name", "CIR_Model")
    category_type: str = option("which attributes are trained", of_dataset="default_category_type")
    encoder_model: str = option("the encoder: a torchvision name, or timm:NAME", of_dataset="encoder_model")
    encoding_size: int = option("size E of the embedding", 256)
    num_epoch: int = option("training epochs", of_dataset="num_epoch")
    recipe: str = option("how the model is trained: paper or modern", of_dataset="recipe", choices=tuple(RECIPES))
    enc_update: bool = option("train the encoder too (False: projection and heads alone)", True)
    weight_root: str = option("folder of the trained models", "weight")
    device: str = option("auto (CUDA where there is one), cpu, cuda, cuda:1, ...", "auto")
    n_workers: int = option("processes that decode images (default: number of cores)", os.cpu_count() or 1)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes the run is trained on."""
        return self.entry.attributes_of(self.category_type)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        self.entry.attributes_of(self.category_type)
        require(self.encoding_size > 0, f"--encoding_size {self.encoding_size} must be positive")
        require(self.num_epoch > 0, f"--num_epoch {self.num_epoch} must be positive")
        require(self.n_workers >= 0, f"--n_workers {self.n_workers} must not be negative")


@dataclass(frozen=True)
class QueryOptions(DatasetOptions):
    """Which queries are drawn; all data sets that are prepared, and all tasks, unless named."""

    category_type: str = option("which attributes", of_dataset="default_category_type")
    condition_on: str = option("condition on these attributes, comma-separated (default: every prefix)", "")
    num_queries: int = option("queries of a task", 1000)
    split: str = option("the split the queries and their candidates come from", "test", choices=("train", "test"))
    protocol: str = option(
        "strict: conditions differ from the query's own labels", "paper", choices=("paper", "strict")
    )

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        attributes = self.entry.attributes_of(self.category_type)
        conditioned_attributes(attributes, 1, self.condition_on)
        require(self.num_queries > 0, f"--num_queries {self.num_queries} must be positive")


@dataclass(frozen=True)
class NetworkOptions(RunOptions):
    """How images go through the network."""

    precision: str = option(
        "fp32, bf16 in the encoder, or auto: bf16 on CUDA, but not to train as in the paper", "auto"
    )
    compile: bool = option("let torch.compile make the network faster; the first steps take a minute", False)
    skip_unreadable: bool = option("leave images that cannot be read out, and list them", False)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.precision in PRECISIONS, f"--precision {self.precision} is not one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class TrainOptions(NetworkOptions):
    """How a model is trained."""

    batch_size: int = option("images in a step, over all processes", 64)
    lr: float | None = option("peak learning rate (default: the recipe's; for the paper's, the data set's)", None)
    weight_decay: float | None = option("L2 penalty (default: the recipe's)", None)
    lr_scheduler_step: int = option("epochs between two cuts of the learning rate", 10)
    lr_scheduler_gamma: float = option("what a cut multiplies the learning rate with", 0.1)
    pretrained: bool = option("start the encoder from ImageNet weights", True)
    image_size: int = option("side of the network's input in pixels", of_dataset="image_size")
    verbose_step: int = option("steps between two looks at loss and accuracy, shown beside the progress bar", 100)
    checkpoint_step: int = option("steps between two checkpoints inside an epoch; there is one after each, too", 1000)
    use_epoch: str = option("the epoch whose weights the later stages use", "last", choices=("last", "best"))

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.batch_size > 1, f"--batch_size {self.batch_size} must be at least 2 (BatchNorm)")
        require(self.image_size > 0, f"--image_size {self.image_size} must be positive")
        require((self.weight_decay or 0) >= 0, f"--weight_decay {self.weight_decay} must not be negative")
        require(self.lr_scheduler_gamma > 0, f"--lr_scheduler_gamma {self.lr_scheduler_gamma} must be positive")
        require(self.verbose_step > 0, f"--verbose_step {self.verbose_step} must be positive")
        require(self.checkpoint_step > 0, f"--checkpoint_step {self.checkpoint_step} must be positive")
        require(self.lr is None or self.lr > 0, f"--lr {self.lr} must be positive")
        require(self.lr_scheduler_step > 0, f"--lr_scheduler_step {self.lr_scheduler_step} must be positive")


@dataclass(frozen=True)
class EmbedOptions(NetworkOptions):
    """Which images are embedded, and how."""

    batch_size: int = option("images at once, over all processes", 256)
    split: str = option("which splits, comma-separated", "train,test")
    image_folder: str = option("embed the images below this folder instead", "")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits to embed."""
        return tuple(self.split.split(","))

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.batch_size > 0, f"--batch_size {self.batch_size} must be positive")
        for name in self.splits:
            require(name in SPLITS, f"--split {name} does not exist: train, test, or train,test")


@dataclass(frozen=True)
class IndexOptions(RunOptions):
    """How a gallery's index is built."""

    engine: str = option("what the index is for; exact needs none, and begins the gallery alone", choices=ENGINES)
    split: str = option("the split whose images the gallery begins with", "test", choices=("train", "test"))
    hnsw_m: int = option("links of an image in an HNSW graph (faiss-hnsw, milvus)", 32)
    hnsw_ef_construction: int = option("candidates looked at for those links", 80)
    ivf_lists: int = option("cells of the inverted file (faiss-ivfpq); 0 takes about 2 sqrt(N)", 0)
    pq_bytes: int = option("bytes an image is compressed to (faiss-ivfpq)", 32)
    milvus_uri: str = option("address of a Milvus cluster, such as http://host:19530 (default: a file beside)", "")

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.hnsw_m > 1, f"--hnsw_m {self.hnsw_m} must be at least 2")
        for name in ("hnsw_ef_construction", "pq_bytes"):
            require(getattr(self, name) > 0, f"--{name} {getattr(self, name)} must be positive")
        require(self.ivf_lists >= 0, f"--ivf_lists {self.ivf_lists} must not be negative")
        require(
            not self.milvus_uri or "://" in self.milvus_uri,
            f"--milvus_uri {self.milvus_uri} is no address: write http://host:19530, or leave it out for a file",
        )


@dataclass(frozen=True)
class ChangeOptions(RunOptions):
    """Which images come to a gallery and which leave it."""

    add: str = option("a folder of images, or a text file of one image path per line", "")
    remove: str = option("a text file of one key (<folder>/<file>) per line", "")
    split: str = option("the split whose images the gallery began with", "test", choices=("train", "test"))
    batch_size: int = option("images embedded at once", 256)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(bool(self.add or self.remove), "nothing to do: pass --add, --remove, or both")
        require(self.batch_size > 0, f"--batch_size {self.batch_size} must be positive")


@dataclass(frozen=True)
class TaskOptions(RunOptions):
    """Which condition, and how the teacher searches."""

    num_condition: int = option("condition on the first n attributes of the category type", 1)
    condition_on: str = option("condition on these attributes instead, comma-separated", "")
    batch_size: int = option("queries searched at once", 512)
    inverse_lr: float = option("learning rate of the search", 0.2)
    inverse_lambda: float = option(
        "weight of the distance to the query: larger stays closer", of_dataset="inverse_lambda"
    )
    inverse_max_itr: int = option("most steps of the search", 100)
    inverse_earlystopping: bool = option("stop a query that no longer improves", True)
    student_reg: float = option("weight of the distance to the query in the student's loss", 0.0)
    student_num_epoch: int = option("training epochs of the student, plus one: 50 trains 49, as published", 50)
    student_hidden: int = option("units of the student's hidden layers", 128)
    student_depth: int = option("hidden layers of the student", 2)
    student_output: str = option("tanh keeps the moved query in (-1, 1), linear does not", "tanh", choices=OUTPUTS)
    student_lambda_range: str = option("train one student for all lambdas from,to: lambda is its input", "")

    @property
    def conditioned(self) -> tuple[str, ...]:
        """The conditioned attributes: in the order of the category type, or as `condition_on` names them."""
        return conditioned_attributes(self.attributes, self.num_condition, self.condition_on)

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
        require(self.inverse_lr > 0, f"--inverse_lr {self.inverse_lr} must be positive")
        require(self.inverse_lambda >= 0, f"--inverse_lambda {self.inverse_lambda} must not be negative")
        require(self.inverse_max_itr > 0, f"--inverse_max_itr {self.inverse_max_itr} must be positive")
        require(self.student_reg >= 0, f"--student_reg {self.student_reg} must not be negative")
        require(self.student_num_epoch > 1, f"--student_num_epoch {self.student_num_epoch} must be at least 2")
        require(self.student_hidden > 0, f"--student_hidden {self.student_hidden} must be positive")
        require(self.student_depth > 0, f"--student_depth {self.student_depth} must be positive")
        _ = self.student_lambdas


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
class EngineOptions(TaskOptions):
    """What finds the images near a query."""

    split: str = option("the split of queries and gallery", "test", choices=("train", "test"))
    engine: str = option("exact scores every image; the others need their index (C2)", "exact", choices=ENGINES)
    shortlist: int = option("candidates per query that an engine other than exact proposes for exact scores", 200)
    nprobe: int = option("cells of the inverted file that are looked into (faiss-ivfpq)", 32)
    ef_search: int = option("candidates an HNSW graph keeps, at least the shortlist (faiss-hnsw, milvus)", 200)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        for name in ("shortlist", "nprobe", "ef_search"):
            require(getattr(self, name) > 0, f"--{name} {getattr(self, name)} must be positive")


@dataclass(frozen=True)
class AnswerOptions(EngineOptions):
    """What is asked of the queries."""

    condition: str = option(
        "one condition for every query in place of its own, such as style!=Rococo or style=0.6*Rococo+0.4*Baroque", ""
    )
    rerank: float = option("weight of the condition's log-probability, added to any method's similarity", 0.0)
    strength: str = option("the same weight for concept_null and best: a number, or auto (default: the method's)", "")
    aim: str = option(
        "what auto reaches on the train split: precision=S, that share of what the largest weight attains, or "
        "context=S, that share of what the smallest weight keeps",
        "precision=0.95",
    )
    shift: float = option("how much of the difference of class means class_shift and best move by", 1.0)

    def weight_of(self, method: str) -> float | str:
        """The weight of the condition's log-probability under a method; "auto" where it is yet to be chosen.

        Raises:
            OptionError: it is no number.
        """
        if self.rerank or not self.strength:
            return self.rerank or METHODS[method].weight
        return AUTO if self.strength == AUTO else _number("--strength", self.strength)

    @property
    def aimed(self) -> tuple[str, float]:
        """What `auto` aims at: "precision" or "context", and its share."""
        name, _, share = self.aim.partition("=")
        require(name in ("precision", "context"), f"--aim {self.aim} is neither precision=S nor context=S")
        value = _number("--aim", share)
        require(0 < value <= 1, f"--aim {self.aim}: the share must lie between 0 and 1")
        return name, value

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        self.weight_of("best")
        require(self.aimed is not None, "")
        require(self.rerank >= 0, f"--rerank {self.rerank} must not be negative")
        require(not (self.rerank and self.strength), "--rerank and --strength are the same weight: pass one of them")


@dataclass(frozen=True)
class EvaluateOptions(AnswerOptions):
    """What is evaluated."""

    method: str = option(f"what answers a query: {', '.join(METHODS)}", "", choices=("", *METHODS))
    evaluation_distill: bool = option("older name of --method student", False)
    search_random: bool = option("older name of --method random", False)
    search_topk: int = option("hits per query", 10)
    protocol: str = option("paper, or strict as in A2", "paper", choices=("paper", "strict"))
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
        return self.engine == "exact" or METHODS[self.chosen_method].chance

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.search_topk > 0, f"--search_topk {self.search_topk} must be positive")
        require(self.chosen_method in METHODS, f"--method {self.method} is not one of {', '.join(METHODS)}")
        how, weighed = METHODS[self.chosen_method], self.weight_of(self.chosen_method) != 0
        require(
            self.searches_exactly or not (how.likeness or how.filter or weighed),
            f"--engine {self.engine} proposes images by similarity alone, and {self.chosen_method} with these options "
            "ranks by more: use --engine exact",
        )
        free = how.likeness > 0
        require(
            free or not self.strength, f"--strength is for concept_null and best, not {self.chosen_method}: --rerank"
        )
        several = len(self.lambdas) > 1
        require(
            self.chosen_method == "teacher" or not several,
            f"--sweep is for the teacher, and --method is {self.chosen_method}",
        )


@dataclass(frozen=True)
class VisualizeOptions(AnswerOptions):
    """Which query is drawn."""

    result_root: str = option("folder of the pictures", "result")
    query_key: int = option("index of the query in its query file", 10)
    search_topk: int = option("hits per row", 10)
    path_rows: int = option("rows for points on the teacher's way, evenly spaced over its steps", 0)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.query_key >= 0, f"--query_key {self.query_key} must not be negative")
        require(self.path_rows >= 0, f"--path_rows {self.path_rows} must not be negative")
        require(self.search_topk > 0, f"--search_topk {self.search_topk} must be positive")


@dataclass(frozen=True)
class PaperTableOptions(Options):
    """What the paper's tables are made of."""

    dataset_name: str = option("data sets, comma-separated (default: those of the paper, and glyphs)", "")
    tables: str = option("which tables, comma-separated", "1,2,3,4,5,6")
    train: bool = option("make the missing runs of the demo data set too (some minutes without a GPU)", False)
    pretrained: bool = option("start their encoders, if they have such, from ImageNet weights", True)
    protocol: str = option("paper, or strict as in A2", "paper", choices=("paper", "strict"))
    mname: str = option("first part of the runs' names", "CIR_Model")
    encoding_size: int = option("size E of the embedding", 256)
    num_epoch: int | None = option("training epochs (default: the data set's)", None)
    recipe: str | None = option("how the models were trained (default: the data set's)", None)
    weight_root: str = option("folder of the trained models", "weight")
    table_root: str = option("folder of the tables", "fig/tables")
    device: str = option("auto (CUDA where there is one), cpu, cuda, cuda:1, ...", "auto")
    n_workers: int = option("processes that decode images (default: number of cores)", os.cpu_count() or 1)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that the tables speak of."""
        return tuple(self.dataset_name.split(",")) if self.dataset_name else ("CUB", "APY", "wikiart", "glyphs")

    @property
    def numbers(self) -> tuple[str, ...]:
        """The tables to make, in order."""
        return tuple(sorted(set(self.tables.split(","))))

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        for name in self.datasets:
            registry.find(name, self.data_root)
        require(set(self.numbers) <= set("123456"), f"--tables {self.tables} is not a list such as 1,4 of 1 to 6")


def next_command(options: DatasetOptions, script: str, kind: type[DatasetOptions]) -> str:
    """The command that runs `script`, whose options are `kind`, on what was made with `options`.

    It names what differs from the defaults; batch sizes and --overwrite are each script's own.
    """
    words = [f"python {script} --dataset_name {options.dataset_name}"]
    for definition in fields(kind):
        name, source = definition.name, definition.metadata["of_dataset"]
        if name in ("dataset_name", "batch_size", "overwrite") or not hasattr(options, name):
            continue
        default = getattr(options.entry, source) if source else definition.default
        if getattr(options, name) != default:
            words.append(f"--{name} {shlex.quote(str(getattr(options, name)))}")
    return " ".join(words)


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


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    require(math.isfinite(value) and value >= 0, f"{name} {text} is not a number of 0 or more")
    return value


def require(holds: bool, message: str) -> None:
    """Raise an `OptionError` with this message unless the condition holds."""
    if not holds:
        raise OptionError(message)


def truth(text: str) -> bool:
    """Read a boolean option: True or False, in any case, also 1/0 and yes/no.

    >>> truth("False"), truth("yes")
    (False, True)
    """
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")
    return values[text.lower()]


class _Parser(argparse.ArgumentParser):
    """A parser that fails in one line, and whose help keeps the script's description as it is written."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see --help)\n")


def _reader(annotation: Any) -> Callable[[str], Any]:
    if annotation is bool:
        return truth
    if isinstance(annotation, types.UnionType):
        (annotation,) = (kind for kind in typing.get_args(annotation) if kind is not type(None))
    return typing.cast(Callable[[str], Any], annotation)


def _one_or_list(reader: Callable[[str], Any]) -> Callable[[str], Any]:
    """Read one value, or leave a comma-separated list as it is."""

    def read(text: str) -> Any:
        return text if "," in text else reader(text)

    read.__name__ = reader.__name__  # which argparse calls the type in its messages
    return read


def _pass_lists_on(kind: type[Options], given: dict[str, Any]) -> None:
    """Move the lists that were given to an option of one value to the option they are meant for."""
    for definition in fields(kind):
        goal = definition.metadata["list_goes_to"]
        if goal and isinstance(given.get(definition.name), str):
            require(goal not in given, f"--{definition.name} and --{goal} both list values: pass one of them")
            given[goal] = given.pop(definition.name)


def _add(parser: argparse.ArgumentParser, definition: "Field[Any]", annotation: Any) -> None:
    meta = definition.metadata
    required = definition.default is MISSING and meta["of_dataset"] is None
    default = "required" if required else "the data set's" if meta["of_dataset"] else definition.default
    arguments: dict[str, Any] = {
        "type": _one_or_list(_reader(annotation)) if meta["list_goes_to"] else _reader(annotation),
        "help": f"{meta['help']} [{default}]",
        "required": required,
    }
    if annotation is bool:
        arguments |= {"nargs": "?", "const": True, "metavar": "True|False"}
    elif meta["choices"]:
        arguments |= {"choices": list(meta["choices"])}
    else:
        arguments |= {"metavar": getattr(_reader(annotation), "__name__", "value").upper()}
    parser.add_argument(f"--{definition.name}", default=argparse.SUPPRESS, **arguments)


def parse(kind: type[Settings], description: str | None, argv: Sequence[str] | None = None, **fixed: Any) -> Settings:
    """Read a command line into the options dataclass `kind`.

    Args:
        kind: the options of the script.
        description: the script's docstring, shown by --help.
        argv: the arguments, those of the process by default.
        fixed: values that the script sets itself and does not offer as options.

    Raises:
        OptionError: the values contradict each other or name what does not exist.
        SystemExit: with code 2 and one line for a malformed command line.
    """
    parser = _Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    annotations = typing.get_type_hints(kind)
    for definition in fields(kind):
        if definition.name in fixed:
            continue
        _add(parser, definition, annotations[definition.name])
    given = vars(parser.parse_args(argv)) | fixed
    _pass_lists_on(kind, given)
    for definition in fields(kind):
        source = definition.metadata["of_dataset"]
        if source and definition.name not in given:
            entry = registry.find(given["dataset_name"], given.get("data_root", "data"))
            given[definition.name] = getattr(entry, source)
    settings = kind(**given)
    settings.check()
    return settings


def parse_each(kind: type[Settings], description: str | None, argv: Sequence[str] | None = None) -> list[Settings]:
    """Read a command line for the data set it names, or, where it names none, for every one that is prepared.

    Raises:
        OptionError: as `parse`; or no data set is named and none is prepared.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if any(word.split("=")[0] in ("--dataset_name", "--help", "-h") for word in words):
        return [parse(kind, description, words)]
    first = _Parser(add_help=False, allow_abbrev=False)
    first.add_argument("--data_root", default="data")
    root = first.parse_known_args(words)[0].data_root
    prepared = [name for name in registry.names(root) if DataPaths.of(root, name).is_prepared]
    require(bool(prepared), f"no data set is prepared in {root}: run its A1 script, or name it with --dataset_name")
    return [parse(kind, description, [*words, "--dataset_name", name]) for name in prepared]
