"""Results of several methods on one task as a terminal shows them: the main measures, in columns."""

from collections.abc import Mapping, Sequence

from backward_search.evaluation.intervals import Estimate
from backward_search.evaluation.result_tables import Row, depth, named
from backward_search.visible import visible

COLUMNS = 100
"""Of a table; a first cell that would make it wider gets a line of its own."""


def main_measures(k: str) -> dict[str, str]:
    """The measures by what such a table calls them."""
    return {
        f"precision@{k}": f"precision_at_{k}",
        f"mTS@{k}": f"mts_at_{k}",
        f"context@{k}": f"context_at_{k}",
        f"twin@{k}": f"twin_recall_at_{k}",
    }


def heading(row: Row) -> str:
    """What the results are of."""
    condition = f", condition {row['condition']}" if row.get("condition") else ""
    task = f"{row['dataset']}, {'+'.join(row['task'])}{condition}"
    size = f"{row['num_queries']:,} queries, {row['gallery_size']:,} images ({row['split']} split)"
    return f"{task}: {size}, {row['protocol']} protocol; ± half of a 95 % interval"


def short_table(rows: Sequence[Row], names: Sequence[str] = ()) -> list[str]:
    """The head of the table, and the lines of each row.

    Args:
        rows: the results.
        names: of their files, which tell rows apart that method and knob do not.
    """
    measures = {title: name for title, name in main_measures(depth(rows[0])).items() if any(name in r for r in rows)}
    lines = [["method", "knob", *measures, "ms per query"]]
    for row, (method, strength, twice) in zip(rows, named(rows, names), strict=True):
        values = [_mean(row, name) for name in measures.values()]
        lines.append([method, "" if twice else strength, *values, f"{1000 * row['seconds_per_query']:.3f}"])
    return _aligned(lines)


def short_differences(method: str, differences: Mapping[str, Mapping[str, Estimate]], k: str) -> list[str]:
    """How much better a method is than each other one, query by query: the head, and the lines of each.

    Args:
        method: the one.
        differences: by the other's name and measure, the mean paired difference, positive where `method` has more.
        k: the number of hits.
    """
    measures = {title: name for title, name in main_measures(k).items() if any(name in d for d in differences.values())}
    lines = [[f"{method} minus", *measures]]
    for other, part in differences.items():
        lines.append([other, *(_difference(part[name]) if name in part else "-" for name in measures.values())])
    return _aligned(lines)


def _mean(row: Row, name: str) -> str:
    if name not in row:
        return "-"
    low, high = row[f"{name}_interval"]
    return f"{row[name]:.3f} ±{(high - low) / 2:.3f}"


def _difference(estimate: Estimate) -> str:
    return f"{estimate.mean:+.3f} ±{(estimate.high - estimate.low) / 2:.3f}"


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Cells under each other; behind a first one that is too long for its column the others begin a new line."""
    table = [[visible(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in list(zip(*table, strict=True))[1:]]
    room = COLUMNS - sum(width + 2 for width in widths)
    names = max((len(line[0]) for line in table if len(line[0]) <= room), default=0)
    aligned = []
    for first, *others in table:
        start = f"{first:{names}}" if len(first) <= room else f"{first}\n{'':{names}}"
        cells = [f"{cell:{width}}" for cell, width in zip(others, widths, strict=True)]
        aligned.append("  ".join([start, *cells]).rstrip())
    return aligned
