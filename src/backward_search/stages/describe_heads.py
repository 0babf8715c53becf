"""The end of B1: say of each class how well its head recognises it."""

import logging
from collections.abc import Mapping

import numpy as np

from backward_search.data.tables import Table
from backward_search.storage.paths import RunPaths
from backward_search.training.recognition import confused, poor_in_words, recognitions, write_table

LOG = logging.getLogger(__name__)

PAIRS = 5
"""The most confused ones that the figure names."""


def describe_heads(paths: RunPaths, trained: Table, counts: Mapping[str, np.ndarray]) -> None:
    """Write the table and the figure of the classes, and name the worst of them.

    Args:
        paths: of the run.
        trained: the images that the heads were trained on.
        counts: by attribute how many images of each class are given each class, of the test split, (K, K).
    """
    from backward_search.drawing.fonts import doubts  # with matplotlib: half a second, needed here alone
    from backward_search.drawing.heads import HeadPanel, draw_heads

    found = {name: recognitions(each, trained.classes[name]) for name, each in counts.items()}
    images = {name: np.bincount(trained.ids[name], minlength=len(each)) for name, each in found.items()}
    write_table(paths.heads_table, found, images)
    paths.heads_figure.unlink(missing_ok=True)
    if not found:  # where every label is a guess nothing is known
        return
    pairs = {name: confused(each, trained.classes[name], PAIRS) for name, each in counts.items()}
    for line in doubts([*found, *(one.label for each in found.values() for one in each)]):
        LOG.warning("%s", line)
    draw_heads(paths.heads_figure, [HeadPanel(name, each, pairs[name]) for name, each in found.items()])
    for name, each in found.items():
        LOG.info("%s: %s", name, poor_in_words(each))
