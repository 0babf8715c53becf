"""The authors' weights and students in this project's form: the same numbers under other names.

Their layers are those of docs/method.md, 1 and 5, so that only the names have to be translated.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from backward_search.errors import DataError
from backward_search.model.network import Model, head_key
from backward_search.storage.torch_file import load_state_dict
from backward_search.student.network import Student

_PROJECTION = {"enc_linear_1": "0", "enc_batchnorm_1": "2", "enc_linear_2": "4", "enc_batchnorm_2": "5"}
_UNUSED_WHERE_SIZES_AGREE = ("enc_linear_1", "enc_linear_2", "enc_batchnorm_2")
_HEAD = {"linear_1": "0", "batchnorm_2": "2", "linear_2": "4", "batchnorm_3": "6", "linear_3": "8"}
_STUDENT = {"fc1": "0", "bn1": "2", "fc2": "3", "bn2": "5", "fc3": "6"}


def model_state(file: Path, model: Model) -> dict[str, Tensor]:
    """The state dict of `model` out of the authors' weights.

    Args:
        file: `model_<epoch>.pth`.
        model: the network that it is meant for; only names and shapes of its tensors are looked at.

    Raises:
        DataError: the file is damaged, holds something other than data, or is that of another network.
    """
    # where d equals E: BatchNorm and tanh alone; the published file still has the other layers
    plain = model.features == model.config.encoding_size
    state = {}
    for name, tensor in load_state_dict(file, "model_state_dict").items():
        if not (plain and name.split(".")[0] in _UNUSED_WHERE_SIZES_AGREE):
            state[_model_name(name, plain)] = tensor
    return _fitted(state, model.state_dict(), file)


def _model_name(name: str, plain: bool) -> str:
    layer, _, rest = name.partition(".")
    if layer == "basemodel":
        return f"encoder.{rest}"
    if layer == "attr_clssifiers":  # spelled so in the published code
        attribute, _, rest = rest.partition(".")
        layer, _, rest = rest.partition(".")
        return f"heads.{head_key(attribute)}.{_HEAD.get(layer, layer)}.{rest}"
    if plain and layer == "enc_batchnorm_1":
        return f"projection.0.{rest}"
    return f"projection.{_PROJECTION[layer]}.{rest}" if layer in _PROJECTION else name


def student_state(file: Path, student: Student) -> dict[str, Tensor]:
    """The state dict of `student` out of the authors' file.

    Raises:
        DataError: the file is damaged, holds something other than data, or is that of another student.
    """
    state = {}
    for name, tensor in load_state_dict(file).items():
        layer, _, rest = name.partition(".")
        state[f"{_STUDENT.get(layer, layer)}.{rest}"] = tensor
    return _fitted(state, student.state_dict(), file)


def _fitted(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """The tensors in the order and precision expected.

    Raises:
        DataError: some are missing, too many, of another shape, or hold what is no finite number.
    """
    shapes = {
        name: f"{name} is {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    }
    faults = {
        "missing": [name for name in expected if name not in state],
        "not expected": [name for name in state if name not in expected],
        "of another shape": list(shapes.values()),
    }
    found = [f"{len(names)} tensors {what} ({names[0]})" for what, names in faults.items() if names]
    if found:
        raise DataError(
            f"{file} does not fit the network that its folder names and the classes of the data set: "
            f"{', '.join(found)}: check the folder's name, and that the data set is prepared from the authors' tables"
        )
    state = {name: state[name].to(tensor.dtype) for name, tensor in expected.items()}
    if unsound := [name for name, tensor in state.items() if not bool(tensor.isfinite().all())]:
        raise DataError(
            f"{file} is damaged: {len(unsound)} tensors hold what is no finite number ({unsound[0]}): "
            "get it again from where it came"
        )
    return state
