"""How long a training takes, by the time of a single step."""

import time

import torch

from backward_search.model.network import Model, classification_loss

CPU_IMAGES = 4
"""Images of the step on a CPU, where seconds grow as images do; a GPU takes a whole batch."""


def seconds_per_image(model: Model, batch_size: int, device: torch.device, *, trained: bool) -> float:
    """Seconds that one image takes, forward and, of a network that is trained, backward; decoding is not counted.

    Args:
        model: the network; its weights stay as they are, what BatchNorm has seen does not.
        batch_size: images of a training step.
        device: what it runs on.
        trained: whether the encoder is trained, or only looks at each image.
    """
    count = batch_size if device.type == "cuda" else CPU_IMAGES
    model.to(device).train(trained)
    images = torch.rand(count, 3, model.config.image_size, model.config.image_size, device=device)
    labels = {name: torch.zeros(count, dtype=torch.long, device=device) for name in model.classes}
    times = []
    for _ in range(2):  # the first one is slow
        start = time.perf_counter()
        with torch.set_grad_enabled(trained):
            loss = classification_loss(model(images), labels)
        if trained:
            torch.autograd.grad(loss, [each for each in model.parameters() if each.requires_grad])
        loss.item()  # a GPU is waited for
        times.append(time.perf_counter() - start)
    return times[-1] / count
