"""The model: an encoder, a projection to the embedding, one classification head per attribute (docs/method.md, 1)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backward_search.model.encoders import Start, build_encoder, feature_size

HIDDEN = (256, 128)
"""Units of the two hidden layers of a head."""


class Projection(nn.Sequential):
    """Features (B, d) to embeddings (B, E) in (-1, 1); without linear layers when d equals E already."""

    def __init__(self, features: int, embedding: int) -> None:
        """Build the layers of the paper."""
        layers: list[nn.Module] = []
        if features != embedding:
            layers += [nn.Linear(features, embedding), nn.ReLU(), nn.BatchNorm1d(embedding), nn.Dropout(0.1)]
            layers.append(nn.Linear(embedding, embedding))
        super().__init__(*layers, nn.BatchNorm1d(embedding), nn.Tanh())


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
    """

    encoder_model: str
    encoding_size: int
    classes: Mapping[str, int]
    image_size: int
    final_norm: bool = False


def head_key(attribute: str) -> str:
    """What the network calls the head of an attribute: its name, marked where torch has that word for itself.

    >>> head_key("style"), head_key("type")
    ('style', 'type+')
    """
    return f"{attribute}+" if hasattr(nn.ModuleDict(), attribute) else attribute


class Model(nn.Module):
    """Images (B, 3, H, W) to embeddings (B, E), and embeddings to logits (B, K) per attribute."""

    def __init__(self, config: ModelConfig, *, pretrained: Start = False) -> None:
        """Build the network.

        Args:
            config: its shape.
            pretrained: start the encoder from ImageNet weights, or from a file of weights.
        """
        super().__init__()
        self.encoder = build_encoder(config.encoder_model, pretrained=pretrained, final_norm=config.final_norm)
        features = feature_size(self.encoder, config.image_size)
        self.projection = Projection(features, config.encoding_size)
        self.attributes = tuple(config.classes)
        self.classes = dict(config.classes)
        self.heads = nn.ModuleDict(
            {head_key(name): Head(config.encoding_size, k) for name, k in config.classes.items()}
        )
        self.mixed_precision = False

    def head(self, attribute: str) -> Head:
        """The head of one attribute."""
        head = self.heads[head_key(attribute)]
        assert isinstance(head, Head)
        return head

    def encode(self, images: Tensor) -> Tensor:
        """The encoder's features of normalised images: (B, 3, H, W) -> (B, d) float32.

        With `mixed_precision` the encoder computes in bfloat16; the few layers after it always keep float32.
        """
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.mixed_precision):
            features: Tensor = self.encoder(images)
        return features.float()

    def embed(self, images: Tensor) -> Tensor:
        """Embed normalised images: (B, 3, H, W) -> (B, E) float32 in (-1, 1)."""
        embeddings: Tensor = self.projection(self.encode(images))
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
