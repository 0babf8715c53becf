"""The figure of a training: loss and accuracy over the epochs."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from backward_search.drawing.fonts import families
from backward_search.drawing.style import COLOURS, PAGE, save, styled
from backward_search.drawing.text import printable
from backward_search.training.history import History
from backward_search.visible import shortened

HEIGHT = 2.6
"""In inches."""
LONGEST = 40
"""Characters of an attribute in the legend."""
LINES = 12
"""Entries of a legend beside one another at most; of more it has two columns."""


@styled()
def draw_history(path: Path, history: History) -> Path:
    """Draw loss and accuracy over the epochs, training dashed, test solid; a colour for each attribute."""
    figure = Figure(figsize=(PAGE, HEIGHT), layout="constrained")
    axes = figure.subplots(1, 2)
    numbers = range(1, len(history.rows) + 1)
    for name, values in zip(history.columns, zip(*history.rows, strict=True), strict=True):
        split, what = name.split("_", 1)
        kind, _, attribute = what.partition("_")
        colour = COLOURS[(history.attributes.index(attribute) if attribute else 0) % len(COLOURS)]
        label = f"{split}: {printable(shortened(attribute, LONGEST)) or 'loss'}"
        style = "--" if split == "train" else "-"
        axes[int(kind == "accuracy")].plot(numbers, values, style, color=colour, label=label)
    for axis, title in zip(axes, ("loss, nats", "accuracy"), strict=True):
        axis.set(title=title, xlabel="epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        labels = axis.get_legend_handles_labels()[1]
        for text in axis.legend(ncols=1 if len(labels) <= LINES else 2).get_texts():
            text.set(parse_math=False, fontfamily=list(families(text.get_text())))
    return save(figure, path)
