"""The doctor of a data set: what preprocessing found, expected, dropped and repaired."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backward_search.data.tables import Samples
from backward_search.errors import MissingError

EXAMPLES = 5
"""How many of the affected rows a report names."""
FEW = 5
"""Classes with fewer images are too small to learn or to find anything in."""


@dataclass
class Findings:
    """What a reader notices on its way; rows that are dropped or repaired are counted here and never pass silently.

    Attributes:
        facts: what the data set was recognised as, such as the layout of its files.
        expected: for a count that is known beforehand, the expected and the found number.
        dropped: for each reason the names of the rows left out.
        repaired: for each repair the names of the rows it was made on.
        lists_alone: whether lists are worth a report where there is not a single image yet.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, tuple[int, int]] = field(default_factory=dict)
    dropped: dict[str, list[str]] = field(default_factory=dict)
    repaired: dict[str, list[str]] = field(default_factory=dict)
    lists_alone: bool = False

    def expect(self, what: str, expected: int, found: int) -> None:
        """Note a count that is known beforehand beside the one that was found."""
        self.expected[what] = (expected, found)

    def drop(self, reason: str, name: str) -> None:
        """Note a row that is left out."""
        self.dropped.setdefault(reason, []).append(name)

    def none_there(self, words: str) -> None:
        """Note that there is not a single image.

        Raises:
            MissingError: lists alone are worth no report.
        """
        if not self.lists_alone:
            raise MissingError(words)
        self.facts["WARNING: counts are of the lists"] = words

    def repair(self, reason: str, name: str) -> None:
        """Note a row that is kept, but not as it was found."""
        self.repaired.setdefault(reason, []).append(name)


def summary(name: str, samples: Samples, findings: Findings) -> dict[str, Any]:
    """The report of a data set, ready for JSON."""
    kept = np.concatenate([np.asarray(rows, np.int64) for rows in samples.splits.values()])
    sizes = {name: dict(_counted(labels, kept).most_common()) for name, labels in samples.labels.items()}
    content: dict[str, Any] = {
        "dataset": name,
        **findings.facts,
        "images": len(kept),
        "splits": {split: len(rows) for split, rows in samples.splits.items()},
        "classes": {attribute: len(names) for attribute, names in samples.classes().items()},
        "images_of_class": sizes,
    }
    lacking = {attribute: _without_training(labels, samples.splits) for attribute, labels in samples.labels.items()}
    content["classes_without_training_images"] = {name: found for name, found in lacking.items() if found}
    if samples.tags is not None:
        counts = np.array(
            [len([tag for tag in tags.split(",") if tag]) for tags in (samples.tags[row] for row in kept.tolist())]
        )
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


def _counted(labels: Sequence[str], rows: np.ndarray) -> Counter[str]:
    """How many of some rows have each label; of equal counts the label that sorts first stands first."""
    return Counter(dict(sorted(Counter(labels[row] for row in rows.tolist()).items())))


def _without_training(labels: Sequence[str], splits: Mapping[str, Sequence[int] | np.ndarray]) -> list[str]:
    """The classes of which there are test images alone: nothing can learn them."""
    known = {split: {labels[row] for row in np.asarray(rows).tolist()} for split, rows in splits.items()}
    return sorted(known["test"] - known["train"])


def _sizes(attribute: str, sizes: Mapping[str, int]) -> str:
    """The classes of an attribute with their counts: all of a few, else the most, the least, and the small ones."""
    pairs = [f"{label} {count}" for label, count in sizes.items()]
    if len(pairs) <= 2 * EXAMPLES:
        return f"images of each {attribute}: {', '.join(pairs)}"
    small = sum(count < FEW for count in sizes.values())
    fewer = f"; {small} classes have fewer than {FEW}" if small else ""
    return f"images of each {attribute}: {', '.join(pairs[:EXAMPLES])}, ..., {', '.join(pairs[-EXAMPLES:])}{fewer}"


def _tally(reasons: Mapping[str, list[str]]) -> dict[str, Any]:
    return {reason: {"count": len(names), "examples": names[:EXAMPLES]} for reason, names in reasons.items()}


def lines(report: Mapping[str, Any]) -> list[str]:
    """The report as lines for people."""
    known = (
        *("images", "splits", "classes", "images_of_class", "classes_without_training_images", "tags_per_image"),
        *("expected", "dropped", "repaired"),
    )
    text = [f"{key}: {value}" for key, value in report.items() if key not in known]
    text.append(f"images: {report['images']} ({_pairs(report['splits'])})")
    text.append(f"classes: {_pairs(report['classes'])}")
    text += [_sizes(attribute, sizes) for attribute, sizes in report.get("images_of_class", {}).items()]
    for attribute, labels in report.get("classes_without_training_images", {}).items():
        more = ", ..." if len(labels) > EXAMPLES else ""
        text.append(
            f"WARNING: {len(labels)} of {attribute} have no training image: {', '.join(labels[:EXAMPLES])}{more}"
        )
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
