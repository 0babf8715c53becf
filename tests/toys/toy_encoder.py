"""An encoder from outside the package: the mean colours of the quarters of an image."""

from torch import nn

from backward_search.model.encoders import ENCODERS, Encoder


def quarters(_pretrained: bool, _final_norm: bool) -> nn.Module:
    """Images (B, 3, H, W) to features (B, 12)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())


QUARTERS = Encoder(quarters)
ENCODERS.register("quarters", QUARTERS)
