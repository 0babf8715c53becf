"""The model: an encoder, a projection to the embedding, one classification head per attribute (docs/method.md, 1)."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backward_search.model.encoders import Start, build_encoder, feature_size

HIDDEN = (256, 128)
"""Units of the two hidden layers of a head."""


class ToOneLength(nn.Module):
    """Vectors (B, d) to the same directions at the length sqrt(d), so that their numbers are about 1 in size."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Scale each."""
        return nn.functional.normalize(vectors, dim=1) * math.sqrt(vectors.shape[1])


class Projection(nn.Sequential):
    """Features (B, d) to embeddings (B, E) in (-1, 1); without linear layers when d equals E already."""

    def __init__(self, features: int, embedding: int, *, to_one_length: bool = False) -> None:
        """Build the layers of the paper, for vectors of any length after bringing them to one."""
        layers: list[nn.Module] = [ToOneLength()] if to_one_length else []
        if features != embedding:
            layers += [nn.Linear(features, embedding), nn.ReLU(), nn.BatchNorm1d(embedding), nn.Dropout(0.1)]
            layers.append(nn.Linear(embedding, embedding))
        super().__init__(*layers, nn.BatchNorm1d(embedding), nn.Tanh())


class CosineHead(nn.Module):
    """Embeddings (B, E) to logits (B, K): the cosine with a vector of each class, over a temperature."""

    vectors: Tensor
    temperature: Tensor

    def __init__(self, vectors: Tensor, temperature: float) -> None:
        """Of class vectors (K, E) of any length, and a positive temperature; neither is trained."""
        super().__init__()
        self.register_buffer("vectors", nn.functional.normalize(vectors.float(), dim=1))
        self.register_buffer("temperature", torch.tensor(float(temperature)))

    @torch.no_grad()
    def take(self, vectors: Tensor, temperature: float) -> None:
        """Take other vectors (K, E) and another temperature."""
        self.vectors.copy_(nn.functional.normalize(vectors.float(), dim=1))
        self.temperature.fill_(temperature)

    def forward(self, z: Tensor) -> Tensor:
        """Classify."""
        return nn.functional.normalize(z, dim=1) @ self.vectors.to(z.dtype).T / self.temperature.to(z.dtype)


class Head(nn.Sequential):
    """Embeddings (B, E) to the logits (B, K) of one attribute."""

    def __init__(self, embedding: int, classes: int) -> None:
        """Build the layers of the paper."""
        first, second = HIDDEN
        super().__init__(
            *(nn.Linear(embedding, first), nn.ReLU(), nn.BatchNorm1d(first), nn.Dropout(0.4)),
            *(nn.Linear(first, second), nn.ReLU(), nn.BatchNorm1d(second), nn.Dropout(0.4)),
            nn.Linear(second, classes),
        )


@dataclass(frozen=True)
class ModelConfig:
    """What a model is built from.

    Attributes:
        encoder_model: name of the encoder.
        encoding_size: size E of the embedding.
        classes: number of classes of each attribute, in the order of the category type.
        image_size: side of the input in pixels.
        final_norm: keep ConvNeXt's last LayerNorm.
        projection: whether there is one; without it embeddings are the encoder's features, brought to one length.
        features: the width of the vectors that stand for images; 0 where the encoder makes them of images.
        by_vectors: the attributes whose classes are told by a vector each, instead of a head that is trained.
    """

    encoder_model: str
    encoding_size: int
    classes: Mapping[str, int]
    image_size: int
    final_norm: bool = False
    projection: bool = True
    features: int = 0
    by_vectors: tuple[str, ...] = ()


def head_key(attribute: str) -> str:
    """What the network calls the head of an attribute: its name, marked where torch has that word for itself.

    >>> head_key("style"), head_key("type")
    ('style', 'type+')
    """
    return f"{attribute}+" if hasattr(nn.ModuleDict(), attribute) else attribute


def new_head(config: ModelConfig, attribute: str) -> "Head | CosineHead":
    """The head of an attribute before it has been trained, or has its vectors."""
    size, classes = config.encoding_size, config.classes[attribute]
    if attribute in config.by_vectors:
        return CosineHead(torch.zeros(classes, size), 1.0)
    return Head(size, classes)


class Model(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, E), and embeddings to logits (B, K) per attribute."""

    def __init__(self, config: ModelConfig, *, pretrained: Start = False) -> None:
        """Build the network.

        Args:
            config: its shape.
            pretrained: start the encoder from ImageNet weights, or from a file of weights.
        """
        super().__init__()
        self.encoder = (
            nn.Identity()
            if config.features
            else build_encoder(config.encoder_model, pretrained=pretrained, final_norm=config.final_norm)
        )
        self.features = config.features or feature_size(self.encoder, config.image_size)
        size = config.encoding_size if config.projection else self.features
        self.config = dataclasses.replace(config, encoding_size=size)
        given = bool(config.features)  # their length says nothing
        self.projection = Projection(self.features, size, to_one_length=given) if config.projection else ToOneLength()
        self.attributes = tuple(config.classes)
        self.classes = dict(config.classes)
        self.heads = nn.ModuleDict({head_key(name): new_head(self.config, name) for name in config.classes})
        self.mixed_precision = False

    def head(self, attribute: str) -> nn.Module:
        """The head of one attribute."""
        return self.heads[head_key(attribute)]

    def encode(self, images: Tensor) -> Tensor:
        """The encoder's features of normalised images: (B, 3, H, W) -> (B, d) float32.

        With `mixed_precision` the encoder computes in bfloat16; the few layers after it always keep float32.
        """
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.mixed_precision):
            features: Tensor = self.encoder(images)
        return features.float()

    def embed(self, images: Tensor) -> Tensor:
        """Embed normalised images: (B, 3, H, W) -> (B, E) float32 in (-1, 1)."""
        return self.project(self.encode(images))

    def project(self, features: Tensor) -> Tensor:
        """Embed features of the encoder, or the vectors that stand for images: (B, d) -> (B, E)."""
        embeddings: Tensor = self.projection(features)
        return embeddings

    def classify(self, embeddings: Tensor) -> dict[str, Tensor]:
        """Apply every head: (B, E) -> logits (B, K) by attribute."""
        return {name: self.head(name)(embeddings) for name in self.attributes}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Classify images: (B, 3, H, W) -> logits (B, K) by attribute."""
        return self.classify(self.embed(images))


def classification_loss(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor], smoothing: float = 0.0) -> Tensor:
    """The mean over attributes of the cross entropy (docs/method.md, 1).

    Args:
        logits: by attribute, (B, K).
        labels: by attribute, class ids (B,).
        smoothing: probability of the target that is spread evenly over the classes, in [0, 1).
    """
    losses = [nn.functional.cross_entropy(logits[name], labels[name], label_smoothing=smoothing) for name in logits]
    return torch.stack(losses).mean()
