"""Products of a few queries with many images, in the order in which a processor is quickest."""

import torch
from torch import Tensor

FEW = 32
"""Up to so many queries the images come first: with few rows on the left the product runs on one core."""
PARTS = 8
"""Parts into which the images are cut for a single query, so that every core has some."""
LEAST_ROWS = 1024
"""Of fewer images the parts cost more than they save."""


def products(queries: Tensor, images: Tensor) -> Tensor:
    """Inner products (B, n) of queries (B, E) and images (n, E)."""
    if images.device.type == "cpu" and len(queries) <= FEW:
        return few_products(queries, images)
    return queries @ images.T


def few_products(queries: Tensor, images: Tensor) -> Tensor:
    """The same for few queries, the images cut into parts for one alone."""
    if len(queries) != 1 or len(images) < LEAST_ROWS:
        return (images @ queries.T).T.contiguous()
    whole = len(images) // PARTS * PARTS
    parts = images[:whole].view(PARTS, -1, images.shape[1])
    first = torch.bmm(parts, queries.T.expand(PARTS, -1, 1)).view(-1)
    return first[None] if whole == len(images) else torch.cat([first, images[whole:] @ queries[0]])[None]
