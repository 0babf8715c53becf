"""Results of several methods on one task as tables in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from backward_search.data.provenance import in_words
from backward_search.evaluation.intervals import Estimate
from backward_search.methods.registry import METHODS
from backward_search.solvers.registry import SOLVERS
from backward_search.visible import cell, visible

Row = Mapping[str, Any]


def depth(row: Row) -> str:
    """How many hits were judged: the k of precision@k."""
    return next(name for name in row if name.startswith("precision_at_")).removeprefix("precision_at_")


def titles(k: str) -> dict[str, str]:
    """The measures by what a table calls them; the paper's mAP@k is the mean precision@k."""
    return {
        f"mAP@{k} of the paper (precision@{k})": f"precision_at_{k}",
        f"rank-aware mAP@{k}": f"map_at_{k}",
        f"expected weight@{k}": f"expected_weight_at_{k}",
        f"mTS@{k}": f"mts_at_{k}",
        f"mTS@{k} without labels": f"mts_at_{k}_without_labels",
        f"context@{k}": f"context_at_{k}",
        f"twin in top {k}": f"twin_recall_at_{k}",
        "twin, condition unmet": f"twin_recall_at_{k}_unmet",
    }


def result_table(rows: Sequence[Row], names: Sequence[str] = ()) -> str:
    """The measures of each method, each mean with its 95 % bootstrap interval over queries.

    Args:
        rows: the results.
        names: of their files, which tell rows apart that method and strength do not.
    """
    first = rows[0]
    shown = named(rows, names)
    columns = {title: name for title, name in titles(depth(first)).items() if any(name in row for row in rows)}
    condition = f", condition {visible(first['condition'])}" if first.get("condition") else ""
    task = visible(f"{first['dataset']} {'+'.join(first['task'])}")
    lines = [
        "",
        f"{task}{condition}: {first['num_queries']} queries of the "
        f"{first['split']} split, gallery of {first['gallery_size']}, {first['protocol']} protocol; "
        f"tables: {in_words(first['tables'])}",
        "",
        f"| method | strength | {' | '.join(columns)} | evaluations | stopped early | ms per query |",
        f"|---|---|{'---|' * len(columns)}---|---|---|",
    ]
    for row, (name, strength, twice) in zip(rows, shown, strict=True):
        method = cell(name) if twice else name
        values = " | ".join(mean_in_words(row, measure) for measure in columns.values())
        lines.append(f"| {method} | {strength} | {values} | {_cost(row)} |")
    return "\n".join(lines)


def named(rows: Sequence[Row], names: Sequence[str]) -> list[tuple[str, str, bool]]:
    """For each row its method, its strength, and whether another row has the same: it is called as its file then.

    Args:
        rows: the results.
        names: of their files; none where rows need not be told apart.
    """
    shown = [(method_in_words(row), strength_in_words(row)) for row in rows]
    twice = [bool(names) and shown.count(each) > 1 for each in shown]
    return [(names[i] if twice[i] else each[0], each[1], twice[i]) for i, each in enumerate(shown)]


def strength_in_words(row: Row) -> str:
    """What a method was held back or driven by: lambda or probability, and the weight in the ranking."""
    parts = [] if row["lambda"] is None else [f"lambda {row['lambda']}"]
    parts += [f"probability {row['target_probability']}"] if "target_probability" in row else []
    parts += [f"weight {row['weight']}"] if row.get("weight") else []
    return ", ".join(parts or _sliders(row)) or "-"


def _sliders(row: Row) -> list[str]:
    """The slider of a solver or a method that has a name of its own."""
    kinds = [SOLVERS[row["solver"]].knob] if row.get("solver") in SOLVERS else []
    kinds += METHODS[row["method"]].knobs[:1] if row["method"] in METHODS else ()
    return [f"{knob.word} {row[knob.option]}" for knob in kinds if knob.option in row]


def method_in_words(row: Row) -> str:
    """The method, and the engine that found its candidates with the share of the exact hits that it found."""
    if "engine" not in row:
        return str(row["method"])
    found = next(value for name, value in row.items() if name.startswith("engine_recall_at_"))
    return f"{row['method']}, {row['engine']} (recall {found:.3f})"


def mean_in_words(row: Row, name: str) -> str:
    """A measure with its interval and, where it has one, its deviation over queries; "-" where it was not measured."""
    if name not in row:
        return "-"
    low, high = row[f"{name}_interval"]
    spread = f", std {row[f'{name}_std']:.3f}" if f"{name}_std" in row else ""
    return f"{row[name]:.3f} ({low:.3f} to {high:.3f}{spread})"


def _cost(row: Row) -> str:
    milliseconds = f"{1000 * row['seconds_per_query']:.3f}"
    if not row["gradient_evaluations"]:
        return f"- | - | {milliseconds}"
    stopped = row.get("share_stopped_early")
    return f"{row['gradient_evaluations']:.1f} | {'-' if stopped is None else f'{stopped:.0%}'} | {milliseconds}"


def difference_table(method: str, differences: Mapping[str, Mapping[str, Estimate]], k: str) -> str:
    """How much better a method is than each other one, query by query.

    Args:
        method: the one.
        differences: by the other's name and measure, the mean paired difference, positive where `method` has more.
        k: the number of hits.
    """
    names = {title: name for title, name in titles(k).items() if any(name in part for part in differences.values())}
    lines = ["", f"| {cell(method)} minus | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for other, part in differences.items():
        cells = [_difference(part[name]) if name in part else "-" for name in names.values()]
        lines.append(f"| {cell(other)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _difference(estimate: Estimate) -> str:
    return f"{estimate.mean:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"
