"""The tasks and encoders of the paper's tables."""

from dataclasses import dataclass

from backward_search.data import registry


@dataclass(frozen=True)
class PaperTask:
    """One task of the tables.

    Attributes:
        dataset: its data set.
        category_type: the attributes that the model is trained on.
        num_condition: the first n of them are conditioned on.
        inverse_lambda: the lambda of its results.
        encoders: those of Table 3; the first is that of all other tables.
    """

    dataset: str
    category_type: str
    num_condition: int
    inverse_lambda: float
    encoders: tuple[str, ...]


_ENCODERS = ("convnext_base", "resnet50", "vgg16_bn", "vit_b")
_PUBLISHED = (
    PaperTask("CUB", "birds", 1, 0.51, _ENCODERS),
    PaperTask("APY", "category", 1, 0.7, _ENCODERS),
    PaperTask("wikiart", "stylegenre", 1, 1.1, _ENCODERS),
    PaperTask("wikiart", "stylegenre", 2, 3.2, _ENCODERS),
)
_FURTHER_ENCODERS = {"glyphs": ("mobilenet_v3_small",)}
"""Of data sets that are not the paper's, beside their own."""


def tasks_of(dataset: str, data_root: str) -> list[PaperTask]:
    """The tasks of a data set: the paper's, or one and two conditions at the data set's own lambda."""
    published = [task for task in _PUBLISHED if task.dataset == dataset]
    if published:
        return published
    entry = registry.find(dataset, data_root)
    kind, encoders = entry.default_category_type, (entry.encoder_model, *_FURTHER_ENCODERS.get(dataset, ()))
    counts = range(1, 1 + min(2, len(entry.attributes_of(kind))))
    return [PaperTask(dataset, kind, count, entry.inverse_lambda, encoders) for count in counts]
