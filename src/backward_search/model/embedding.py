"""The one way from image files to embeddings: C1, new images of a gallery, and single queries all take it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from backward_search.data.registry import Preprocessing
from backward_search.images.fitting import normalise
from backward_search.images.loading import Batch, ImageLoader
from backward_search.model.network import Model
from backward_search.progress import progress


def is_mixed(precision: str, device: torch.device) -> bool:
    """Whether an encoder that is not trained computes in bfloat16: where it is asked to, or by itself on a GPU."""
    return precision == "bf16" or (precision, device.type) == ("auto", "cuda")


class EmbeddingNetwork(nn.Module):
    """Images (B, 3, H, W) to embedding and logits side by side, (B, E + sum of K_a)."""

    def __init__(self, model: Model, device: torch.device, precision: str = "auto") -> None:
        """Take a model's weights as they are.

        Args:
            model: the network in evaluation mode, on the device.
            device: where it runs.
            precision: fp32; bf16, in the encoder; or auto: bf16 on a GPU.
        """
        super().__init__()
        self.model, self.device = model, device
        model.mixed_precision = is_mixed(precision, device)

    def forward(self, images: Tensor) -> Tensor:
        """Embed and classify."""
        return self.of_features(self.model.encode(images))

    def of_features(self, features: Tensor) -> Tensor:
        """The same of what the encoder has made, or of vectors that stand for images, (B, d)."""
        z = self.model.project(features)
        return torch.cat([z, *self.model.classify(z).values()], dim=1)


def embed_files(
    network: EmbeddingNetwork, files: Sequence[Path], look: Preprocessing, *, batch_size: int = 256, workers: int = 0
) -> dict[str, Tensor]:
    """Embed some images in memory, as C1 does.

    Args:
        network: of a run.
        files: the images.
        look: how the run's images are prepared.
        batch_size: images at once.
        workers: processes that decode; 0 decodes in this one.

    Returns:
        Float32 on the CPU: the embeddings (n, E) under "", and by attribute the logits (n, K).

    Raises:
        DataError: an image cannot be read.
    """
    batches = batches_of(files, look, batch_size, workers, "embedding")
    return _by_head(network, torch.cat(list(outcomes(network, batches, look, network.device))))


def _by_head(network: EmbeddingNetwork, made: Tensor) -> dict[str, Tensor]:
    """What the network made, apart: the embeddings (n, E) under "", and by attribute the logits (n, K)."""
    widths = [made.shape[1] - sum(network.model.classes.values()), *network.model.classes.values()]
    parts = torch.split(made.clone(), widths, dim=1)  # tensors like any other, not those of inference mode
    return dict(zip(["", *network.model.classes], parts, strict=True))


@torch.no_grad()
def embed_vectors(network: EmbeddingNetwork, vectors: Tensor, batch_size: int = 4096) -> dict[str, Tensor]:
    """Embed vectors that stand for images, as C1 does.

    Args:
        network: of a run that was trained on such vectors.
        vectors: of the encoder that made those, (n, d).
        batch_size: vectors at once.

    Returns:
        As `embed_files`.

    Raises:
        ValueError: they are of another width, or not finite.
    """
    width = network.model.config.features
    if not width:
        raise ValueError("the run was trained on images: expected their files")
    if vectors.ndim != 2 or vectors.shape[1] != width:
        raise ValueError(f"vectors {tuple(vectors.shape)}: expected (n, {width}), as the run was trained on")
    if not bool(vectors.isfinite().all()) or not bool(vectors.any(dim=1).all()):
        raise ValueError("a vector is not finite, or zeros alone: expected directions")
    parts = [network.of_features(part.float().to(network.device)).cpu() for part in torch.split(vectors, batch_size)]
    return _by_head(network, torch.cat(parts))


def batches_of(files: Sequence[Path], look: Preprocessing, batch_size: int, workers: int, what: str) -> Iterator[Batch]:
    """The images in order under the test transform, batch by batch, under a progress bar."""
    if not files:
        return
    loader = ImageLoader(files, {}, look, batch_size=batch_size, workers=workers, keep=False)
    with progress((), what, "image", len(files)) as bar:
        for batch in loader.epoch():
            yield batch
            bar.update(len(batch.rows))


@torch.inference_mode()
def outcomes(
    network: Callable[[Tensor], Tensor],
    batches: Iterable[Batch],
    look: Preprocessing,
    device: torch.device,
) -> Iterator[Tensor]:
    """What the network makes of each batch, on the CPU; a GPU works on the next batch while one is copied."""
    waiting: tuple[Tensor, torch.cuda.Event | None] | None = None
    for batch in batches:
        outcome = network(normalise(batch.pixels, look, device))
        if waiting is not None:
            yield _arrived(*waiting)
        event = torch.cuda.Event() if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        waiting = outcome.to("cpu", non_blocking=True), event
        if event is not None:
            event.record()
    if waiting is not None:
        yield _arrived(*waiting)


def _arrived(outcome: Tensor, event: torch.cuda.Event | None) -> Tensor:
    if event is not None:
        event.synchronize()
    return outcome
