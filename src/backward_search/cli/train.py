"""The options of B1."""

from dataclasses import dataclass

from backward_search.cli import about, groups
from backward_search.cli.definition import a_file_or_truth, not_negative, option, positive, require


@dataclass(frozen=True)
class TrainOptions(
    groups.NetworkOptions,
    groups.RunOptions,
    groups.ModelOptions,
    groups.WeightOptions,
    groups.OpeningOptions,
    groups.DeviceOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """How a model is trained."""

    batch_size: int = option("images in a step, over all processes", 64, usual=True)
    lr: float | None = option(
        "peak learning rate (default: the recipe's; for the paper's, the data set's)", None, usual=True
    )
    weight_decay: float | None = option("L2 penalty (default: the recipe's)", None)
    lr_scheduler_step: int = option("epochs between two cuts of the learning rate", 10)
    lr_scheduler_gamma: float = option("what a cut multiplies the learning rate with", 0.1)
    holdout: float = option(
        "share of the training images kept from training, to calibrate the heads and choose strengths",
        of_dataset="holdout",
    )
    pretrained: bool | str = option(
        "start the encoder from ImageNet weights (True), at random (False), or from this file of weights",
        True,
        place=True,
        usual=True,
    )
    class_vectors: str = option(
        "vectors that tell the classes instead of trained heads: style.npz, or style=FILE.npz, comma-separated; - for "
        "none (default: those that A1 was given)",
        "",
    )
    augment: bool | None = option(
        "random crops and flips in training (default: the data set's; none for your own images with a frozen encoder)",
        None,
    )
    keep_tags: float = option(
        "weight of one more term of the loss, which keeps in the embedding what tags and captions need, or further "
        "labels where there are neither; 0 for none (recipe modern)",
        0.0,
    )
    image_size: int = option("side of the network's input in pixels", of_dataset="image_size", usual=True)
    verbose_step: int = option("steps between two looks at loss and accuracy, shown beside the progress bar", 100)
    checkpoint_step: int = option("steps between two checkpoints inside an epoch; there is one after each, too", 1000)
    use_epoch: str = option("the epoch whose weights the later stages use", "last", choices=("last", "best"))

    @property
    def about(self) -> str:
        """What is about to be done."""
        count, epochs = about.images(self.data, ["train"], "images"), f"{self.num_epoch} epochs"
        what = f"{self.encoder_model} on {self.dataset_name} to tell {about.several(self.attributes)}"
        return f"Train {what}: {about.listed(count, epochs, about.on_device(self.device))}"

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        require(self.batch_size > 1, f"--batch_size {self.batch_size} must be at least 2 (BatchNorm)")
        require(0 <= self.holdout < 1, f"--holdout {self.holdout} must be at least 0 and less than 1")
        a_file_or_truth(self, "pretrained")
        not_negative(self, "weight_decay", "keep_tags")
        modern = self.recipe != "paper"
        require(modern or not self.keep_tags, "--keep_tags is part of --recipe modern, not of the paper's")
        positive(self, "image_size", "lr_scheduler_gamma", "verbose_step", "checkpoint_step", "lr_scheduler_step")
        require(self.lr is None or self.lr > 0, f"--lr {self.lr} must be positive")
