"""The training recipes: the paper's, and a modern one; each is a row of numbers that `training.py` follows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """What one recipe does.

    Attributes:
        lr: peak learning rate of projection and heads; None takes the data set's.
        weight_decay: Adam's L2 penalty, or AdamW's decay.
        decoupled: AdamW instead of Adam; biases and norms are then not decayed.
        warmup: share of the training in which the rate rises to its peak and from which it falls as a cosine; None
            cuts the rate every `lr_scheduler_step` epochs instead.
        encoder_rate: what the rate is multiplied with for an encoder that starts from weights.
        label_smoothing: probability spread evenly over the classes.
        clip: largest norm of the gradient; None leaves it alone.
        final_norm: keep the LayerNorm between ConvNeXt's pooling and its classifier.
        mixed_precision: bfloat16 in the encoder on CUDA, unless --precision says otherwise.
    """

    lr: float | None
    weight_decay: float
    decoupled: bool
    warmup: float | None
    encoder_rate: float
    label_smoothing: float
    clip: float | None
    final_norm: bool
    mixed_precision: bool


RECIPES: Mapping[str, Recipe] = {
    "paper": Recipe(None, 1e-6, False, None, 1.0, 0.0, None, False, False),
    "modern": Recipe(5e-3, 0.2, True, 0.1, 0.02, 0.0, 1.0, True, True),
}
"""By the name that --recipe takes. The paper's is that of docs/method.md, 1.

The modern one does not smooth labels, though that makes the heads a little better: heads that were taught to doubt
leave the search little to follow. On glyphs (24 epochs, seed 0, lambda 0.5) AdamW with a smoothing of 0.1 found 0.70 of
the twins, the paper's recipe 0.92.
"""


def cosine(progress: float, warmup: float) -> float:
    """The share of the peak rate after `progress` of the training, both in [0, 1].

    >>> [round(cosine(at, 0.2), 3) for at in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
