"""The options of E2, E3 and F1: figures, tables and the explorer."""

from dataclasses import dataclass

from backward_search.cli.answering import AnswerOptions, EngineChoice
from backward_search.cli.definition import (
    DeviceOptions,
    ModelOptions,
    PictureOptions,
    ProtocolOptions,
    WeightOptions,
    number,
    option,
    require,
)
from backward_search.data import registry
from backward_search.methods.registry import METHODS

FORMATS = ("png", "svg", "pdf")

MAPS = ("tsne", "umap", "pca")


@dataclass(frozen=True)
class VisualizeOptions(PictureOptions, AnswerOptions):
    """Which queries are drawn, and how."""

    query_key: str = option("indices of the queries in their query file, such as 3 or 3,17,100", "10")
    random: int = option("draw so many queries of the query file, chosen by --seed, instead", 0)
    query: str = option("an image of the data set as the query instead, <folder>/<file>, with --condition", "")
    query_image: str = option("any image file as the query instead, with --condition", "")
    methods: str = option(
        "rows to draw, comma-separated (default: unchanged, teacher, student and best, as far as they are there)", ""
    )
    path: bool = option("draw the teacher's way: hits at t_0, t_i and t_n beside a map of the embeddings", False)
    path_rows: int = option("rows for points on the teacher's way, evenly spaced over its steps", 0)
    path_lambdas: str = option("lambdas whose ways are on the map (default: a tenth of it, it, and ten times it)", "")
    map: str = option("how the map is made: tsne, umap (where it is installed) or pca", "tsne", choices=MAPS)
    format: str = option("of the pictures", "png", choices=FORMATS)
    width: float = option("width of the pictures in inches; a column of a page has about 3.4", 7.5)
    output: str = option("the picture's file, in place of one below --result_root; its ending is the format", "")
    save_hits: bool = option("write the hits as a CSV beside the picture", True)

    @property
    def query_keys(self) -> list[int]:
        """The indices that --query_key names, each once."""
        words = [word.strip() for word in self.query_key.split(",")]
        valid = all(word.isascii() and word.isdigit() for word in words)
        require(valid, f"--query_key {self.query_key} is not a list of indices from 0 such as 3,17,100")
        return list(dict.fromkeys(int(word) for word in words))

    @property
    def named_methods(self) -> list[str]:
        """The methods that --methods names."""
        return [name.strip() for name in self.methods.split(",") if name.strip()]

    @property
    def walked_lambdas(self) -> list[float]:
        """The lambdas whose ways are drawn, rising."""
        if not self.path_lambdas:
            return [factor * self.inverse_lambda for factor in (0.1, 1, 10)]
        return sorted({*_numbers("--path_lambdas", self.path_lambdas), self.inverse_lambda})

    @property
    def picture_format(self) -> str:
        """The format, whichever option says it."""
        return self.output.rpartition(".")[2].lower() if self.output else self.format

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        several = len(self.query_keys) > 1 or self.random > 1
        chosen = [name for name in ("random", "query", "query_image") if getattr(self, name)]
        require(len(chosen) < 2, f"--{' and --'.join(chosen)} name different queries: pass one of them")
        need = self.query or self.query_image
        require(not need or bool(self.condition), f"--condition has to say what is wanted of {need}")
        require(self.random >= 0, f"--random {self.random} must not be negative")
        require(self.path_rows >= 0, f"--path_rows {self.path_rows} must not be negative")
        require(2 <= self.width <= 40, f"--width {self.width} must lie between 2 and 40 inches")
        require(not (self.output and several), "--output is the file of one picture: name one query")
        require(self.picture_format in FORMATS, f"--output {self.output} does not end in one of {', '.join(FORMATS)}")
        for name in self.named_methods:
            require(name in METHODS, f"--methods {name} is not one of {', '.join(METHODS)}")
            require(not self.refusal(name), self.refusal(name))
        if self.path_lambdas:
            _numbers("--path_lambdas", self.path_lambdas)


def _numbers(name: str, text: str) -> list[float]:
    return [number(name, word) for word in text.split(",")]


@dataclass(frozen=True)
class ExploreOptions(WeightOptions, PictureOptions, DeviceOptions, EngineChoice):
    """Where the explorer listens, what it may take, and what finds the hits of every run."""

    host: str = option("the address it listens at; others than this machine can reach 0.0.0.0", "127.0.0.1")
    port: int = option("the port it listens at", 7860)
    hits: int = option("hits that are shown", 12)
    upload_mb: int = option("the largest image file that is taken, in megabytes", 20)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(0 < self.port < 2**16, f"--port {self.port} must lie between 1 and 65535")
        require(self.hits > 0, f"--hits {self.hits} must be positive")
        require(self.upload_mb > 0, f"--upload_mb {self.upload_mb} must be positive")


@dataclass(frozen=True)
class PaperTableOptions(ProtocolOptions, ModelOptions):
    """What the paper's tables are made of."""

    dataset_name: str = option("data sets, comma-separated (default: those of the paper, and glyphs)", "")
    tables: str = option("which tables, comma-separated", "1,2,3,4,5,6")
    train: bool = option("make the missing runs of the demo data set too (some minutes without a GPU)", False)
    pretrained: bool = option("start their encoders, if they have such, from ImageNet weights", True)
    num_epoch: int | None = option("training epochs (default: the data set's)", None)
    recipe: str | None = option("how the models were trained (default: the data set's)", None)
    table_root: str = option("folder of the tables", "fig/tables")

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
