"""torchvision's models, also beside a torch that its compiled operators do not fit.

A torchvision built for CUDA cannot load its operators beside a CPU-only torch, and then fails on import, because it
registers shape rules for operators that do not exist. Its models need none of them: declaring two schemas is enough.
"""

import importlib
from types import ModuleType

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[torch.library.Library] = []  # a library's schemas live as long as it does


def models() -> ModuleType:
    """Import `torchvision.models`, declaring the operators that its own binary could not provide."""
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    _declared.append(library)
    return importlib.import_module("torchvision.models")
