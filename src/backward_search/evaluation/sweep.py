"""A method's measures over lambda, as a CSV file; `drawing.sweep` draws them."""

from collections.abc import Sequence
from pathlib import Path

from backward_search.evaluation.result_tables import Row, depth, titles
from backward_search.storage.atomic import write_sheet


def write_sweep(place: Path, rows: Sequence[Row]) -> Path:
    """Write the CSV file of a sweep.

    Args:
        place: the CSV file.
        rows: the results under each lambda, as E1 writes them, of one task and with the same measures.
    """
    ordered = sorted(rows, key=lambda row: float(row["lambda"]))
    measures = [name for name in titles(depth(ordered[0])).values() if name in ordered[0]]
    columns = [part for name in measures for part in (name, f"{name}_low", f"{name}_high")]
    return write_sheet(place, ("lambda", *columns, "gradient_evaluations"), (_line(row, measures) for row in ordered))


def _line(row: Row, measures: Sequence[str]) -> list[float]:
    values = [value for name in measures for value in (row[name], *row[f"{name}_interval"])]
    return [row["lambda"], *values, row["gradient_evaluations"]]
