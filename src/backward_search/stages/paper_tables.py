"""E3: the paper's tables, from what there is, and what is cheap to measure."""

import csv
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from backward_search.cli import EvaluateOptions, PaperTableOptions
from backward_search.cli.console import LOGGED, SHOWN
from backward_search.data.prepared import load_table
from backward_search.data.provenance import in_words, provenance
from backward_search.data.tables import SPLITS
from backward_search.errors import DataError, UserError
from backward_search.evaluation.result_tables import mean_in_words
from backward_search.methods.registry import METHODS
from backward_search.model.encoders import has_weights
from backward_search.paper.tables import Cell, PaperTable, markdown, write_table
from backward_search.paper.tasks import PaperTask, tasks_of
from backward_search.published.bundle.conversion import convert_bundle
from backward_search.stages.paper_estimate import say_what_is_trained
from backward_search.stages.paper_results import Row, commands_for, make_missing, result, training_of
from backward_search.stages.paper_settings import Settings
from backward_search.storage.atomic import read_json, remove_leftovers, write_csv
from backward_search.storage.lock import locked
from backward_search.storage.manifest import refuse_changed
from backward_search.storage.paths import DataPaths, TablePaths
from backward_search.visible import LINES

LOG = logging.getLogger(__name__)
PRECISION, RANKED, TAGS = "precision_at_10", "map_at_10", "mts_at_10"
TITLES = {PRECISION: "mAP@10 of the paper (precision@10)", RANKED: "rank-aware mAP@10", TAGS: "mTS@10"}
FURTHER = {
    "mts_at_10_without_labels": "mTS@10 without labels",
    "context_at_10": "context@10",
    "twin_recall_at_10": "twin in top 10",
}
BEST = "best"
MAPPED = (
    "The methods best and context are not the paper's: they rank by the context map that C4 learns from the training "
    "split, with its usual settings where a run had none yet."
)
FROM_PAPER = ("dataset", "condition", "method", PRECISION, TAGS)
"""The columns of the file of numbers that are copied from the paper."""


def make_tables(options: PaperTableOptions) -> Path:
    """Write the tables in Markdown, CSV and LaTeX.

    Returns:
        Their folder.

    Raises:
        DataError: another process is making them.
    """
    makers: dict[str, Callable[[PaperTableOptions], PaperTable]] = {
        "1": _datasets,
        "2": _regularisation,
        "3": _encoders,
        "4": _methods,
        "5": _steps,
        "6": _students,
    }
    paths = TablePaths.of(options.table_root)
    with locked(paths.lock, f"another process is making tables in {paths.folder}"):
        remove_leftovers(paths.folder)
        if options.train and set(options.numbers) - {"1"}:
            say_what_is_trained(_each(options, all_encoders="3" in options.numbers))
        made = [makers[number](options) for number in options.numbers]
        for table in made:
            place = partial(paths.table, table.name + ("-strict" if options.protocol == "strict" else ""))
            write_table(table, place)
            LOG.info("%s", "\n" + markdown(table), extra={**LINES, **LOGGED})
            LOG.info("%s: %s", table.title, _left([table]), extra=SHOWN)
            LOG.info("wrote %s", place(".md"), extra=SHOWN)
    LOG.info("wrote %s, each table as .md, .csv and .tex", paths.folder)
    if len(made) > 1:
        LOG.info("%s", _left(made))
    return paths.folder


def _left(tables: Sequence[PaperTable]) -> str:
    """What is left to run, in words.

    >>> _left([PaperTable("a", "A", ["x", "y"], [[Cell("1"), Cell.not_run("python X.py")]])])
    '1 of 2 cells was not run: what fills it stands below its table'
    """
    cells = [cell for table in tables for row in table.rows for cell in row if cell.command or cell.text[:1].isdigit()]
    waiting = sum(bool(cell.command) for cell in cells)
    if not waiting:
        return "no cell is left to run"
    many = waiting > 1
    it, its, were = ("them", "their tables", "were") if many else ("it", "its table", "was")
    return f"{waiting} of {len(cells)} cells {were} not run: what fills {it} stands below {its}"


def _datasets(options: PaperTableOptions) -> PaperTable:
    columns = ("data set", "condition", "classes", "training images", "test images", "queries", "tables")
    rows = [[*_named(settings), *_counts(settings)] for settings in _each(options)]
    return _table(options, "table1_datasets", "Table 1: data sets and queries", columns, rows)


def _counts(settings: Settings) -> list[Cell]:
    """Classes, images of both splits, queries, and how the tables were made."""
    evaluation = settings.evaluation()
    try:
        make_missing(settings, evaluation, data_only=True)
        convert_bundle(evaluation.data, evaluation.entry)
        tables = {split: load_table(evaluation.data, evaluation.entry, split) for split in SPLITS}
    except UserError as error:
        return [Cell.not_run(commands_for(settings, evaluation, ["A1"]), str(error))] * 5
    classes = "x".join(str(len(tables["train"].classes[name])) for name in evaluation.conditioned)
    counts = [Cell(classes), *(Cell(f"{len(tables[split]):,}") for split in ("train", "test"))]
    return [*counts, _queries(settings, evaluation), Cell(in_words(provenance(evaluation.data)))]


def _queries(settings: Settings, evaluation: EvaluateOptions) -> Cell:
    strict = evaluation.protocol == "strict"
    file = evaluation.data.queries(evaluation.conditioned, evaluation.split, strict=strict)
    draw = commands_for(settings, evaluation, ["A2"])
    if not file.exists():
        return Cell.not_run(draw)
    try:
        manifest = evaluation.data.manifest(file.stem)
        if manifest.exists():  # queries of the authors' bundle have none
            refuse_changed(manifest, [file], "pass --overwrite True")
        return Cell(f"{len(read_json(file)['queries']):,}")
    except UserError as error:
        return Cell.not_run(draw, str(error))
    except (TypeError, KeyError):
        return Cell.not_run(draw, f"{file} is not a query file: pass --overwrite True")


def _regularisation(options: PaperTableOptions) -> PaperTable:
    rows = []
    for settings in _each(options):
        for words in (("--inverse_lambda", "0"), ()):
            row = result(settings, *words)
            strength = "0" if words else f"{settings.task.inverse_lambda:g}"
            rows.append([*_named(settings), Cell(strength), *_measures(row, TITLES)])
    columns = ("data set", "condition", "lambda", *TITLES.values())
    return _table(options, "table2_regularisation", "Table 2: without regularisation, and with it", columns, rows)


def _encoders(options: PaperTableOptions) -> PaperTable:
    rows = []
    for settings in _each(options, all_encoders=True):
        row, best, trained = result(settings), result(settings, "--method", BEST), training_of(settings)
        start = Cell(_start(settings.encoder, trained)) if trained else Cell("-")
        model = [Cell(settings.encoder), start, Cell("yes" if settings.enc_update else "no")]
        rows.append([*_named(settings), *model, *_measures(row, TITLES), *_measures(best, TITLES)])
    ours = [f"{BEST}: {title}" for title in TITLES.values()]
    columns = ("data set", "condition", "encoder", "starts from", "fine-tuned", *TITLES.values(), *ours)
    return _table(options, "table3_encoders", "Table 3: encoders, fine-tuned or not", columns, rows, MAPPED)


def _start(encoder: str, trained: Row) -> str:
    if isinstance(trained.get("pretrained"), str):
        return "weights of a file"
    return "ImageNet weights" if has_weights(encoder) and trained.get("pretrained") else "random weights"


def _methods(options: PaperTableOptions) -> PaperTable:
    rows, copied = [], _from_paper(options)
    for settings in _each(options):
        for method in METHODS:
            row = result(settings, "--method", method)
            rows.append([*_named(settings), Cell(method), *_measures(row, TITLES | FURTHER)])
        names = tuple(cell.text for cell in _named(settings))
        for line in copied.get(names, [{"method": "composed-retrieval models"}]):
            rows.append([*_named(settings), *_copied(line)])
    columns = ("data set", "condition", "method", *TITLES.values(), *FURTHER.values())
    note = (
        "Numbers marked (paper) stand in from_paper.csv, into which a user copies them; "
        "composed-retrieval models were not run here."
    )
    return _table(options, "table4_methods", "Table 4: methods", columns, rows, note, MAPPED)


def _copied(line: Row) -> list[Cell]:
    """A line of what was copied from the paper; empty until it is."""
    cells = {name: f"{line[name]} (paper)" if line.get(name) else "copy from the paper" for name in (PRECISION, TAGS)}
    return [Cell(str(line["method"])), *(Cell(cells.get(name, "-")) for name in TITLES | FURTHER)]


def _from_paper(options: PaperTableOptions) -> dict[tuple[str, ...], list[Row]]:
    """By data set and condition the numbers that a user copied; the file is laid out for them where there is none."""
    file = TablePaths.of(options.table_root).from_paper
    if not file.exists():
        write_csv(file, FROM_PAPER, [])
    found: dict[tuple[str, ...], list[Row]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            if tuple(reader.fieldnames or ()) != FROM_PAPER:
                raise ValueError
            for line in reader:
                found.setdefault((line["dataset"], line["condition"]), []).append(line)
    except (ValueError, csv.Error):
        problem = f"{file} is no table that begins with {','.join(FROM_PAPER)}"
        raise DataError(f"{problem}: delete it, and E3 lays it out again") from None
    return found


def _steps(options: PaperTableOptions) -> PaperTable:
    rows = []
    for settings in _each(options):
        for stopping in ("True", "False"):
            row = result(settings, "--inverse_earlystopping", stopping)
            cost = [row] * 3 if isinstance(row, Cell) else [Cell(text) for text in _cost(row)]
            quality = _measures(row, {PRECISION: "", TAGS: ""})
            rows.append([*_named(settings), Cell("yes" if stopping == "True" else "no"), *cost, *quality])
    columns = ("data set", "condition", "early stopping", "gradient evaluations", "stopped early", "ms per query")
    return _table(
        options,
        "table5_steps",
        "Table 5: steps and time of the teacher",
        (*columns, TITLES[PRECISION], TITLES[TAGS]),
        rows,
        "Time is wall-clock time of all queries in batches, divided by their number, where each result was measured.",
    )


def _cost(row: Row) -> tuple[str, str, str]:
    milliseconds = f"{1000 * row['seconds_per_query']:.3f}"
    return f"{row['gradient_evaluations']:.1f}", f"{row['share_stopped_early']:.0%}", milliseconds


def _students(options: PaperTableOptions) -> PaperTable:
    rows = []
    for settings in _each(options):
        both = [result(settings, "--method", method) for method in ("teacher", "student")]
        for method, row in zip(("teacher", "student"), both, strict=True):
            time = row if isinstance(row, Cell) else Cell(_cost(row)[2])
            rows.append([*_named(settings), Cell(method), *_measures(row, TITLES), time, _faster(both[0], row)])
    columns = ("data set", "condition", "method", *TITLES.values(), "ms per query", "times the teacher's speed")
    return _table(
        options,
        "table6_students",
        "Table 6: teacher and student",
        columns,
        rows,
        "Time is that of moving the queries and ranking the gallery, in batches.",
    )


def _faster(teacher: Row | Cell, row: Row | Cell) -> Cell:
    if isinstance(row, Cell):
        return row
    return (
        teacher if isinstance(teacher, Cell) else Cell(f"{teacher['seconds_per_query'] / row['seconds_per_query']:.1f}")
    )


def _each(options: PaperTableOptions, *, all_encoders: bool = False) -> Iterator[Settings]:
    """Every task with its first encoder, fine-tuned; or with each of its encoders, fine-tuned and not."""
    tasks: list[PaperTask] = [task for name in options.datasets for task in tasks_of(name, options.data_root)]
    for task in tasks:
        for encoder in task.encoders if all_encoders else task.encoders[:1]:
            for enc_update in (True, False) if all_encoders else (True,):
                yield Settings(options, task, encoder, enc_update)


def _named(settings: Settings) -> list[Cell]:
    return [Cell(settings.task.dataset), Cell("+".join(settings.evaluation().conditioned))]


def _measures(row: Row | Cell, names: dict[str, str]) -> list[Cell]:
    return [row if isinstance(row, Cell) else Cell(mean_in_words(row, name)) for name in names]


def _table(
    options: PaperTableOptions,
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *notes: str,
) -> PaperTable:
    """A table with what has to be said of every one: the protocol, and where the data sets' tables come from."""
    measured = (
        "" if name.startswith("table1") else " Brackets: 95 % bootstrap interval over queries; std: over queries."
    )
    origins = {each: provenance(DataPaths.of(options.data_root, each)) for each in options.datasets}
    said = "; ".join(f"{each}: {in_words(origin)}" for each, origin in origins.items() if origin)
    protocol = f"Protocol: {options.protocol}. Tables of {said or 'no data set are prepared'}.{measured}"
    return PaperTable(name, title, columns, rows, [protocol, *notes])
