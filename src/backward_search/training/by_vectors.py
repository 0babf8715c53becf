"""Heads that are told by a vector of each class instead of trained; their temperature is fitted on labelled images."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from backward_search.data.class_vectors import TEMPERATURE, ClassVectors
from backward_search.errors import DataError
from backward_search.model.features import Features, through
from backward_search.model.network import CosineHead, Model
from backward_search.training.calibration import LEAST, calibrate

LOG = logging.getLogger(__name__)
BATCH, ENOUGH = 4096, 20_000
"""Images at once, and how many at most one number is fitted on."""


@dataclass(frozen=True)
class Labelled:
    """Training images whose label is known.

    Attributes:
        features: of these images among others.
        rows: which of those, (n,).
        ids: their classes (n,).
    """

    features: Features
    rows: np.ndarray
    ids: np.ndarray


def take_vectors(
    model: Model, known: Mapping[str, ClassVectors], labelled: Mapping[str, Labelled], device: torch.device
) -> None:
    """Give a model the heads of some attributes.

    Args:
        model: on the device; without a projection.
        known: by attribute the vectors of its classes, in the order of the model's.
        labelled: by attribute the images on which its temperature is fitted; fewer than 30 leave it as it is said.
        device: where the model is.

    Raises:
        DataError: the vectors are of another width than the embedding.
    """
    model.eval()
    for name, classes in known.items():
        head = model.head(name)
        assert isinstance(head, CosineHead)
        if classes.vectors.shape[1] != model.config.encoding_size:
            raise DataError(
                f"the class vectors of {name} have {classes.vectors.shape[1]} numbers, embeddings "
                f"{model.config.encoding_size}: expected both of one encoder"
            )
        told = classes.temperature or TEMPERATURE
        head.take(torch.from_numpy(classes.vectors), told)
        images = labelled[name]
        if len(images.rows) < LEAST:
            LOG.info("%s: %d images with a label of their own, temperature %.4g as told", name, len(images.rows), told)
            continue
        network = torch.nn.Sequential(model.projection, head)
        some = np.sort(np.random.default_rng(0).permutation(len(images.rows))[:ENOUGH])
        logits = torch.cat(list(through(network, images.features, images.rows[some], BATCH, device))).numpy()
        found = calibrate(logits, images.ids[some])
        head.take(torch.from_numpy(classes.vectors), told * found.temperature)
        right = float((logits.argmax(axis=1) == images.ids[some]).mean())
        LOG.info(
            "%s: class vectors tell %.3f of %d labelled images, temperature %.4g",
            name,
            right,
            len(images.rows),
            told * found.temperature,
        )
