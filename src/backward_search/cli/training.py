"""The options of B1 and C1: the network, its training and its embeddings; and of C2 and C3, the galleries."""

from dataclasses import dataclass

from backward_search.cli.definition import DatasetOptions, ModelOptions, option, require
from backward_search.training.recipe import RECIPES

PRECISIONS = ("auto", "fp32", "bf16")

SPLITS = ("train", "test")

ENGINES = ("exact", "faiss-flat", "faiss-ivfpq", "faiss-hnsw", "milvus")


@dataclass(frozen=True)
class RunOptions(ModelOptions, DatasetOptions):
    """Which trained model."""

    category_type: str = option("which attributes are trained", of_dataset="default_category_type")
    encoder_model: str = option("the encoder: a torchvision name, or timm:NAME", of_dataset="encoder_model")
    num_epoch: int = option("training epochs", of_dataset="num_epoch")
    recipe: str = option("how the model is trained: paper or modern", of_dataset="recipe", choices=tuple(RECIPES))
    enc_update: bool = option("train the encoder too (False: projection and heads alone)", True)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes the run is trained on."""
        return self.entry.attributes_of(self.category_type)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        self.entry.attributes_of(self.category_type)
        require(self.num_epoch > 0, f"--num_epoch {self.num_epoch} must be positive")


@dataclass(frozen=True)
class NetworkOptions(RunOptions):
    """How images go through the network."""

    precision: str = option(
        "fp32, bf16 in the encoder, or auto: bf16 on CUDA, but not to train as in the paper", "auto"
    )
    compile: bool = option("let torch.compile make the network faster; the first steps take a minute", False)
    skip_unreadable: bool = option("leave images that cannot be read out, and list them", False)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.precision in PRECISIONS, f"--precision {self.precision} is not one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class TrainOptions(NetworkOptions):
    """How a model is trained."""

    batch_size: int = option("images in a step, over all processes", 64)
    lr: float | None = option("peak learning rate (default: the recipe's; for the paper's, the data set's)", None)
    weight_decay: float | None = option("L2 penalty (default: the recipe's)", None)
    lr_scheduler_step: int = option("epochs between two cuts of the learning rate", 10)
    lr_scheduler_gamma: float = option("what a cut multiplies the learning rate with", 0.1)
    holdout: float = option(
        "share of the training images kept from training, to calibrate the heads and choose strengths",
        of_dataset="holdout",
    )
    pretrained: bool = option("start the encoder from ImageNet weights", True)
    image_size: int = option("side of the network's input in pixels", of_dataset="image_size")
    verbose_step: int = option("steps between two looks at loss and accuracy, shown beside the progress bar", 100)
    checkpoint_step: int = option("steps between two checkpoints inside an epoch; there is one after each, too", 1000)
    use_epoch: str = option("the epoch whose weights the later stages use", "last", choices=("last", "best"))

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.batch_size > 1, f"--batch_size {self.batch_size} must be at least 2 (BatchNorm)")
        require(self.image_size > 0, f"--image_size {self.image_size} must be positive")
        require(0 <= self.holdout < 1, f"--holdout {self.holdout} must be at least 0 and less than 1")
        require((self.weight_decay or 0) >= 0, f"--weight_decay {self.weight_decay} must not be negative")
        require(self.lr_scheduler_gamma > 0, f"--lr_scheduler_gamma {self.lr_scheduler_gamma} must be positive")
        require(self.verbose_step > 0, f"--verbose_step {self.verbose_step} must be positive")
        require(self.checkpoint_step > 0, f"--checkpoint_step {self.checkpoint_step} must be positive")
        require(self.lr is None or self.lr > 0, f"--lr {self.lr} must be positive")
        require(self.lr_scheduler_step > 0, f"--lr_scheduler_step {self.lr_scheduler_step} must be positive")


@dataclass(frozen=True)
class EmbedOptions(NetworkOptions):
    """Which images are embedded, and how."""

    batch_size: int = option("images at once, in each process", 256)
    split: str = option("which splits, comma-separated", "train,test")
    image_folder: str = option("embed the images below this folder instead", "")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits to embed."""
        return tuple(self.split.split(","))

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.batch_size > 0, f"--batch_size {self.batch_size} must be positive")
        for name in self.splits:
            require(name in SPLITS, f"--split {name} does not exist: train, test, or train,test")


@dataclass(frozen=True)
class IndexOptions(RunOptions):
    """How a gallery's index is built."""

    engine: str = option("what the index is for; exact needs none, and begins the gallery alone", choices=ENGINES)
    split: str = option("the split whose images the gallery begins with", "test", choices=("train", "test"))
    hnsw_m: int = option("links of an image in an HNSW graph (faiss-hnsw, milvus)", 32)
    hnsw_ef_construction: int = option("candidates looked at for those links", 80)
    ivf_lists: int = option("cells of the inverted file (faiss-ivfpq); 0 takes about 2 sqrt(N)", 0)
    pq_bytes: int = option("bytes an image is compressed to (faiss-ivfpq)", 32)
    milvus_uri: str = option("address of a Milvus cluster, such as http://host:19530 (default: a file beside)", "")

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(self.hnsw_m > 1, f"--hnsw_m {self.hnsw_m} must be at least 2")
        for name in ("hnsw_ef_construction", "pq_bytes"):
            require(getattr(self, name) > 0, f"--{name} {getattr(self, name)} must be positive")
        require(self.ivf_lists >= 0, f"--ivf_lists {self.ivf_lists} must not be negative")
        require(
            not self.milvus_uri or "://" in self.milvus_uri,
            f"--milvus_uri {self.milvus_uri} is no address: write http://host:19530, or leave it out for a file",
        )


@dataclass(frozen=True)
class ChangeOptions(RunOptions):
    """Which images come to a gallery and which leave it."""

    add: str = option("a folder of images, or a text file of one image path per line", "")
    remove: str = option("a text file of one key (<folder>/<file>) per line", "")
    split: str = option("the split whose images the gallery began with", "test", choices=("train", "test"))
    batch_size: int = option("images embedded at once", 256)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        super().check()
        require(bool(self.add or self.remove), "nothing to do: pass --add, --remove, or both")
        require(self.batch_size > 0, f"--batch_size {self.batch_size} must be positive")
