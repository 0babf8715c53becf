"""The options of E2."""

from dataclasses import dataclass

from backward_search.cli import about, answering_groups, groups
from backward_search.cli.definition import not_negative, number, option, require
from backward_search.methods.registry import METHODS

FORMATS = ("png", "svg", "pdf")
MOST_KEYS = 10_000
"""Queries that a range names at most."""
MOST_ROWS = 250
"""Rows of a contact sheet without pages."""
MAPS = ("tsne", "umap", "pca")


@dataclass(frozen=True)
class VisualizeOptions(
    groups.PictureOptions,
    answering_groups.AskingOptions,
    groups.SplitOptions,
    answering_groups.EngineChoice,
    answering_groups.StudentOptions,
    answering_groups.SolverOptions,
    answering_groups.TaskOptions,
    groups.RunOptions,
    groups.ModelOptions,
    groups.WeightOptions,
    groups.OpeningOptions,
    groups.DeviceOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """Which queries are drawn, and how."""

    query_key: str = option("indices of the queries in their file, such as 3 or 3,17,100 or 0-9", "10", usual=True)
    random: int = option("draw so many queries of the query file, chosen by --seed, instead", 0)
    query: str = option("an image of the data set as the query instead, <folder>/<file>, with --condition", "")
    query_image: str = option("any image file as the query instead, with --condition", "", place=True, usual=True)
    query_vector: str = option("a .npy file of one vector as the query instead, with --condition", "", place=True)
    methods: str = option(
        "rows to draw, comma-separated (default: unchanged, teacher, student, best)",
        "",
        usual=True,
    )
    contact_sheet: bool = option(
        "one figure of all these queries, a row of hits each, of the teacher or --methods; a PDF has pages", False
    )
    path: bool = option(
        "draw the teacher's way: hits along it beside a map of embeddings",
        False,
        usual=True,
    )
    path_rows: int = option("rows for points on the teacher's way, evenly spaced over its steps", 0)
    path_lambdas: str = option(
        "lambdas whose ways are on the map (default: a tenth of it, it, and ten times it)",
        "",
    )
    map: str = option("how the map is made: tsne, umap (where it is installed) or pca", "tsne", choices=MAPS)
    format: str = option("of the pictures", "png", choices=FORMATS)
    width: float = option("width of the pictures in inches; a column of a printed page has about 3.4, the page 7", 7.5)
    output: str = option(
        "the picture's file, in place of one below --result_root; its ending is the format", "", place=True
    )
    save_hits: bool = option("write the hits as a CSV beside the picture", True)

    @property
    def query_keys(self) -> list[int]:
        """The indices that --query_key names, each once."""
        said = f"--query_key {self.query_key} is not a list of indices from 0 such as 3,17,100 or 0-9"
        keys: dict[int, None] = {}
        for word in self.query_key.split(","):
            ends = [end.strip() for end in word.split("-")]
            require(len(ends) < 3 and all(end.isascii() and end.isdigit() for end in ends), said)
            first, last = int(ends[0]), int(ends[-1])
            require(first <= last, said)
            require(last - first < MOST_KEYS, f"--query_key {self.query_key} names more than {MOST_KEYS} queries")
            keys |= dict.fromkeys(range(first, last + 1))
        return list(keys)

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

    @property
    def about(self) -> str:
        """What is about to be done."""
        task = f"{self.dataset_name}, conditions on {self.condition or '+'.join(self.conditioned)}"
        named = self.query or self.query_image or self.query_vector
        what = named or (f"{self.random} random queries" if self.random else f"query {self.query_key}")
        how = "the teacher's way" if self.path else about.several(self.named_methods) or "the usual methods"
        return f"Draw what is found for {what} of {task}: {how}, {about.on_device(self.device)}"

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        several = len(self.query_keys) > 1 or self.random > 1
        chosen = [name for name in ("random", "query", "query_image", "query_vector") if getattr(self, name)]
        require(len(chosen) < 2, f"--{' and --'.join(chosen)} name different queries: pass one of them")
        need = self.query or self.query_image or self.query_vector
        require(not need or bool(self.condition), f"--condition has to say what is wanted of {need}")
        not_negative(self, "random", "path_rows")
        require(2 <= self.width <= 40, f"--width {self.width} must lie between 2 and 40 inches")
        alone = not several or self.contact_sheet
        require(not self.output or alone, "--output is the file of one picture: name one query, or --contact_sheet")
        self._check_sheet()
        require(self.picture_format in FORMATS, f"--output {self.output} does not end in one of {', '.join(FORMATS)}")
        for name in self.named_methods:
            require(name in METHODS, f"--methods {name} is not one of {', '.join(METHODS)}")
            words = answering_groups.refusal(name, self.engine, self.rerank)
            require(not words, words)
        if self.path_lambdas:
            _numbers("--path_lambdas", self.path_lambdas)

    def _check_sheet(self) -> None:
        """Refuse what a contact sheet cannot show."""
        if not self.contact_sheet:
            return
        way = "path" if self.path else "path_rows"
        require(not (self.path or self.path_rows), f"--contact_sheet shows hits alone: leave --{way} out")
        rows = (self.random or len(self.query_keys)) * max(1, len(self.named_methods))
        paged = self.picture_format == "pdf"
        require(paged or rows <= MOST_ROWS, f"{rows} rows are too many for one picture: pass --format pdf for pages")


def _numbers(name: str, text: str) -> list[float]:
    return [number(name, word) for word in text.split(",")]
