"""The doctor of a data set: what preprocessing found, expected, dropped and repaired."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backward_search.data.tables import Samples

EXAMPLES = 5
"""How many of the affected rows a report names."""


@dataclass
class Findings:
    """What a reader notices on its way; rows that are dropped or repaired are counted here and never pass silently.

    Attributes:
        facts: what the data set was recognised as, such as the layout of its files.
        expected: for a count that is known beforehand, the expected and the found number.
        dropped: for each reason the names of the rows left out.
        repaired: for each repair the names of the rows it was made on.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, tuple[int, int]] = field(default_factory=dict)
    dropped: dict[str, list[str]] = field(default_factory=dict)
    repaired: dict[str, list[str]] = field(default_factory=dict)

    def expect(self, what: str, expected: int, found: int) -> None:
        """Note a count that is known beforehand beside the one that was found."""
        self.expected[what] = (expected, found)

    def drop(self, reason: str, name: str) -> None:
        """Note a row that is left out."""
        self.dropped.setdefault(reason, []).append(name)

    def repair(self, reason: str, name: str) -> None:
        """Note a row that is kept, but not as it was found."""
        self.repaired.setdefault(reason, []).append(name)


def summary(name: str, samples: Samples, findings: Findings) -> dict[str, Any]:
    """The report of a data set, ready for JSON."""
    content: dict[str, Any] = {
        "dataset": name,
        **findings.facts,
        "images": int(sum(len(rows) for rows in samples.splits.values())),
        "splits": {split: len(rows) for split, rows in samples.splits.items()},
        "classes": {attribute: len(set(labels)) for attribute, labels in samples.labels.items()},
    }
    if samples.tags is not None:
        counts = np.array([len([tag for tag in tags.split(",") if tag]) for tags in samples.tags])
        content["tags_per_image"] = {
            "min": int(counts.min()),
            "mean": round(float(counts.mean()), 3),
            "max": int(counts.max()),
        }
    content["expected"] = {
        what: {"expected": expected, "found": found} for what, (expected, found) in findings.expected.items()
    }
    content["dropped"] = _tally(findings.dropped)
    content["repaired"] = _tally(findings.repaired)
    return content


def _tally(reasons: Mapping[str, list[str]]) -> dict[str, Any]:
    return {reason: {"count": len(names), "examples": names[:EXAMPLES]} for reason, names in reasons.items()}


def lines(report: Mapping[str, Any]) -> list[str]:
    """The report as lines for people."""
    known = ("images", "splits", "classes", "tags_per_image", "expected", "dropped", "repaired")
    text = [f"{key}: {value}" for key, value in report.items() if key not in known]
    text.append(f"images: {report['images']} ({_pairs(report['splits'])})")
    text.append(f"classes: {_pairs(report['classes'])}")
    if "tags_per_image" in report:
        text.append(f"tags per image: {_pairs(report['tags_per_image'])}")
    for what, counts in report["expected"].items():
        verdict = "as expected" if counts["expected"] == counts["found"] else f"WARNING: expected {counts['expected']}"
        text.append(f"{what}: {counts['found']} ({verdict})")
    for verb in ("dropped", "repaired"):
        for reason, tally in report[verb].items():
            more = ", ..." if tally["count"] > len(tally["examples"]) else ""
            text.append(f"{verb}: {tally['count']} {reason} ({', '.join(tally['examples'])}{more})")
    return text


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
