"""The registry of data sets: everything that depends on which data set it is stands in its entry."""

import dataclasses
import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from backward_search.data.opening import MAX_PIXELS, WHITE, Opening
from backward_search.errors import DataError, OptionError
from backward_search.registry import load_others
from backward_search.storage.atomic import read_json, write_json
from backward_search.storage.manifest import is_there
from backward_search.storage.naming import folded
from backward_search.storage.paths import DataPaths, checked_name

AGAIN = "run A1.Data-Preprocessing-custom.py again, with --overwrite True"
EMBEDDINGS = "embeddings"
"""The encoder of a data set that came as vectors: there is none, they are its features."""


class EmptyTags(Enum):
    """Where an empty piece of a tag string counts as a tag, as the published code has it (docs/method.md, 4)."""

    NOWHERE = "nowhere"
    OF_THE_QUERY = "of the query"
    """CUB and aPY: the query's string is taken as it stands, a candidate's without its outer commas."""
    IN_GENERATION = "in generation"
    """WikiArt: both strings as they stand when queries are drawn; no empty tag in the metrics."""


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the network's input.

    Attributes:
        size: side of the square input in pixels.
        fit: "crop" scales the short side to `size` and cuts a square; "squeeze" scales both sides.
        augment: whether training crops at random and flips both ways (test: the centre, no flips).
        mean: subtracted from the channels, which lie in [0, 1].
        std: what the channels are then divided by.
        background: the colour that shows through transparent pictures, "#rrggbb".
        interpolation: how the image is scaled, "bilinear" or "bicubic".
        max_pixels: most pixels of a picture; a larger one is refused. It is a matter of the machine, and never stored.
    """

    size: int = 224
    fit: str = "crop"
    augment: bool = True
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    background: str = WHITE
    interpolation: str = "bilinear"
    max_pixels: int = MAX_PIXELS

    @property
    def opening(self) -> Opening:
        """How its pictures are opened."""
        return Opening(self.background, self.max_pixels)

    @property
    def in_json(self) -> dict[str, Any]:
        """What is stored of it; of background and interpolation only unusual ones, which older configurations lack."""
        usual = Preprocessing()
        unsaid = {"max_pixels"} | {
            name for name in ("background", "interpolation") if getattr(self, name) == getattr(usual, name)
        }
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in unsaid}


@dataclass(frozen=True)
class DatasetEntry:
    """What the stages need to know of a data set beyond its files.

    Attributes:
        name: as in `--dataset_name` and in the folder names.
        category_types: for each `--category_type` the attributes it trains on, in order; the first is the default.
        preprocessing: of its images.
        encoder_model: the default encoder.
        num_epoch: the default number of training epochs.
        lr: the default learning rate of the paper's recipe.
        recipe: the default training recipe.
        holdout: the default share of the training split that is kept from training, to calibrate the heads.
        inverse_lambda: the default lambda of the search.
        student_hidden: the default units of the student's hidden layers.
        student_output: its default output.
        student_loss: its default loss.
        empty_tags: where an empty piece of a tag string counts.
        discard_first_draw: whether query generation throws its first draw away, as published for CUB and aPY.
        prepare: the command that makes its tables.
        vectors: the width of the vectors that stand for its images; 0 for a data set of images.
        encoding_size: the default size of the embedding.
    """

    name: str
    category_types: Mapping[str, tuple[str, ...]]
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    encoder_model: str = "convnext_base"
    num_epoch: int = 30
    lr: float = 0.01
    recipe: str = "paper"
    holdout: float = 0.0
    inverse_lambda: float = 1.1
    student_hidden: int = 128
    student_output: str = "tanh"
    student_loss: str = "mse"
    empty_tags: EmptyTags = EmptyTags.NOWHERE
    discard_first_draw: bool = False
    prepare: str = ""
    vectors: int = 0
    encoding_size: int = 256

    @property
    def image_size(self) -> int:
        """Side of the network's input in pixels, unless another is asked for."""
        return self.preprocessing.size

    @property
    def default_category_type(self) -> str:
        """The category type taken when none is named."""
        return next(iter(self.category_types))

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute that some category type uses, each once, in order of appearance."""
        return tuple(dict.fromkeys(name for names in self.category_types.values() for name in names))

    def attributes_of(self, category_type: str) -> tuple[str, ...]:
        """The attributes of a category type, or of a comma-separated list of attributes.

        Raises:
            OptionError: it is neither.
        """
        if category_type in self.category_types:
            return self.category_types[category_type]
        names = tuple(category_type.split(","))
        unknown = [name for name in names if name not in self.attributes]
        if unknown or len(set(names)) != len(names):
            raise OptionError(
                f"--category_type {category_type} does not exist for {self.name}: "
                f"known are {', '.join(self.category_types)}, or a list of {', '.join(self.attributes)}"
            )
        return names


_REGISTERED: dict[str, DatasetEntry | str] = {}


def register(name: str, what: DatasetEntry | str) -> None:
    """Make a data set known to this process under its name.

    Another process, such as that of a numbered script, knows a data set of your own by the entry that `save` keeps
    beside its tables.

    Args:
        name: as in `--dataset_name`.
        what: its entry; or the module that holds it as `ENTRY`, and as `DOWNLOADS` what is published of it, which is
            imported when the data set is first asked for.

    Raises:
        OptionError: there is another data set of this name, or the entry has another name.
    """
    if isinstance(what, DatasetEntry) and what.name != name:
        raise OptionError(f"the entry of {what.name} cannot be registered as {name}: the names have to agree")
    if _REGISTERED.setdefault(checked_name(name), what) != what:
        raise OptionError(f"there is a data set {name} already: register yours under another name")


for _name in ("CUB", "APY", "wikiart", "glyphs"):
    register(_name, f"backward_search.readers.{_name.lower()}.source")


def is_registered(name: str) -> bool:
    """Whether a data set comes with the package, or was registered by a program."""
    return name in _REGISTERED


def is_taken(name: str) -> bool:
    """Whether some disk would put a data set into the folder of a registered one, as cub into that of CUB."""
    return folded(name) in map(folded, _REGISTERED)


def names(data_root: str | Path) -> list[str]:
    """The known data sets: those registered, then those prepared below `data_root` on the user's own images."""
    load_others()
    root = DataPaths.of(data_root, "any").root
    own = sorted(path.parent.parent.name for path in root.glob("*/attributions/dataset.json"))
    return [*_REGISTERED, *(name for name in own if name not in _REGISTERED)]


def module_of(name: str) -> ModuleType | None:
    """The module that a data set was registered with; None for any other."""
    where = _REGISTERED.get(name)
    return importlib.import_module(where) if isinstance(where, str) else None


def find(name: str, data_root: str | Path) -> DatasetEntry:
    """The entry of data set `name`.

    Raises:
        OptionError: there is no such data set; the message names the nearest.
    """
    if name not in _REGISTERED:
        load_others()
    registered = _REGISTERED.get(name)
    if isinstance(registered, DatasetEntry):
        return registered
    module = module_of(name)
    if module is not None:
        entry: DatasetEntry = module.ENTRY
        return entry
    description = DataPaths.of(data_root, name).description
    if is_there(DataPaths.of(data_root, name).manifest("A1"), description, AGAIN):
        return _kept(description)
    every = names(data_root)
    near = difflib.get_close_matches(name, every, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise OptionError(
        f"--dataset_name {name} is not known: {hint}known are {', '.join(every)}; "
        "A1.Data-Preprocessing-custom.py prepares your own images under a name of your choice"
    )


def save(entry: DatasetEntry, data_root: str | Path) -> Path:
    """Keep the entry of a data set of the user's own beside its tables, for `find`."""
    changed = {"empty_tags": entry.empty_tags.value, "preprocessing": entry.preprocessing.in_json}
    content = dataclasses.asdict(entry) | changed
    return write_json(DataPaths.of(data_root, entry.name).description, content)


def _kept(file: Path) -> DatasetEntry:
    """The entry that `save` wrote.

    Raises:
        DataError: it is damaged.
    """
    try:
        return _from_json(read_json(file))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError(f"{file} is no entry of a data set: {AGAIN}") from None


def _from_json(content: dict[str, Any]) -> DatasetEntry:
    look = content["preprocessing"]
    return DatasetEntry(
        **{
            **content,
            "category_types": {name: tuple(attributes) for name, attributes in content["category_types"].items()},
            "preprocessing": Preprocessing(**{**look, "mean": tuple(look["mean"]), "std": tuple(look["std"])}),
            "empty_tags": EmptyTags(content["empty_tags"]),
        }
    )
