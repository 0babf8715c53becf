"""The options of D1."""

from dataclasses import dataclass

from backward_search.cli import about, answering_groups, groups
from backward_search.cli.definition import option, require


@dataclass(frozen=True)
class DistillOptions(
    answering_groups.StudentOptions,
    answering_groups.SolverOptions,
    answering_groups.TaskOptions,
    groups.RunOptions,
    groups.ModelOptions,
    groups.WeightOptions,
    groups.DeviceOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """How the student is trained."""

    batch_size: int = option("embeddings in a step", 512, usual=True)
    onnx: bool = option("write the student as an ONNX file too (needs the extra onnx)", False, usual=True)

    @property
    def about(self) -> str:
        """What is about to be done."""
        task = f"{self.dataset_name}, conditions on {'+'.join(self.conditioned)}"
        count, epochs = about.images(self.data, ["train"], "embeddings"), f"{self.student_num_epoch - 1} epochs"
        return f"Train a student on {task}: {about.listed(count, epochs, about.on_device(self.device))}"

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        require(self.batch_size > 1, f"--batch_size {self.batch_size} must be at least 2 (BatchNorm)")
