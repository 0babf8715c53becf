"""The student as an ONNX file, for programs without PyTorch; needs the extra onnx."""

import copy
import importlib.util
import logging
from pathlib import Path

import torch

from backward_search.errors import DataError
from backward_search.extras import need
from backward_search.storage.atomic import replacing
from backward_search.student.network import Student

LOG = logging.getLogger(__name__)
TOLERANCE = 1e-4


def export_student(student: Student, place: Path) -> Path:
    """Write a student and, where onnxruntime is installed, compare its answers with PyTorch's.

    The file takes `input`, float32 (B, E + sum of K_a [+ 1]) as `Student.inputs` makes it, and gives `moved` (B, E).

    Args:
        student: in evaluation mode.
        place: the file.

    Raises:
        MissingError: onnx is not installed.
        DataError: the file answers otherwise than the student.
    """
    require_onnx()
    width = next(student.parameters()).shape[1]
    example = torch.rand(7, width, generator=torch.Generator().manual_seed(0))
    network = copy.deepcopy(student).cpu().eval()
    with replacing(place) as temporary:
        batch = {"input": {0: "batch"}, "moved": {0: "batch"}}
        torch.onnx.export(
            network,
            (example,),
            temporary,
            input_names=["input"],
            output_names=["moved"],
            dynamic_axes=batch,
            dynamo=False,
        )
        _compare(network, example, temporary)
    return place


def require_onnx() -> None:
    """Refuse the export before anything is trained.

    Raises:
        MissingError: onnx is not installed.
    """
    need("onnx", "onnx", "--onnx")


def _compare(network: torch.nn.Module, example: torch.Tensor, file: Path) -> None:
    if importlib.util.find_spec("onnxruntime") is None:
        LOG.info("onnxruntime is not installed: the ONNX file was not checked against PyTorch")
        return
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for inputs in (example, example[:1]):
        (moved,) = session.run(None, {"input": inputs.numpy()})
        with torch.no_grad():
            difference = float((network(inputs) - torch.from_numpy(moved)).abs().max())
        if not difference < TOLERANCE:
            raise DataError(f"the ONNX file's answers differ from PyTorch's by {difference:.2g}: nothing was written")
    LOG.info("the ONNX file agrees with PyTorch")
