"""What a run is called: the settings that tell trained models apart, and the name of the folder that holds one."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from backward_search.data.registry import DatasetEntry
from backward_search.storage.naming import LONGEST_OF_OURS, storable

FORM = "CIR_Model-dataset<name>-cate<type>-basemodel<encoder>-encodingsize<E>-enc_update<bool>-num_epoch<n>-final"
"""The published form of a folder's name."""

MNAME = "CIR_Model"
"""Of a run unless it is told otherwise."""

_NAME = re.compile(
    r"(?P<mname>.+?)-dataset(?P<dataset_name>.+?)-cate(?P<category_type>.+?)-basemodel(?P<encoder_model>.+?)"
    r"-encodingsize(?P<encoding_size>\d+)-enc_update(?P<enc_update>True|False)-num_epoch(?P<num_epoch>\d+)"
    r"(?:-recipe(?P<recipe>.+?))?(?:-final)?"
)


@dataclass(frozen=True)
class RunName:
    """The settings that a run's name carries, under the names of the options.

    Attributes:
        mname: the first part of the name.
        dataset_name: the data set.
        category_type: which attributes are trained; or their names, comma-separated.
        encoder_model: the encoder.
        encoding_size: E.
        enc_update: whether the encoder was trained too.
        num_epoch: training epochs.
        recipe: how it was trained.
    """

    mname: str
    dataset_name: str
    category_type: str
    encoder_model: str
    encoding_size: int
    enc_update: bool
    num_epoch: int
    recipe: str = "paper"

    @classmethod
    def usual(cls, entry: DatasetEntry, **given: Any) -> "RunName":
        """That of a run of a data set by the options' defaults, but for some settings."""
        usual: dict[str, Any] = {
            "mname": MNAME,
            "dataset_name": entry.name,
            "category_type": entry.default_category_type,
            "encoder_model": entry.encoder_model,
            "encoding_size": entry.encoding_size,
            "enc_update": True,
            "num_epoch": entry.num_epoch,
            "recipe": entry.recipe,
        }
        return cls(**(usual | given))

    @property
    def folder(self) -> str:
        """The name of its folder: the published one, plus a recipe that is not, as every disk can hold it."""
        recipe = "" if self.recipe == "paper" else f"-recipe{self.recipe}"
        name = (
            f"{self.mname}-dataset{self.dataset_name}-cate{self.category_type.replace(',', '-')}"
            f"-basemodel{self.encoder_model}-encodingsize{self.encoding_size}-enc_update{self.enc_update}"
            f"-num_epoch{self.num_epoch}{recipe}-final"
        )
        return storable(name, LONGEST_OF_OURS)

    @property
    def in_json(self) -> dict[str, Any]:
        """What a run's configuration keeps."""
        return asdict(self)

    def differences(self, wanted: Mapping[str, Any]) -> list[str]:
        """The names of the settings that are not as wanted."""
        return [name for name, value in wanted.items() if getattr(self, name) != value]

    @classmethod
    def stored(cls, content: Mapping[str, Any]) -> "RunName":
        """What `in_json` gave.

        Raises:
            KeyError: a setting is missing.
            TypeError: one is of another type.
        """
        values = {each.name: content[each.name] for each in fields(cls)}
        for each in fields(cls):
            if type(values[each.name]) is not each.type:
                raise TypeError(f"{each.name} is {values[each.name]!r}")
        return cls(**values)

    @classmethod
    def read(cls, folder: str) -> "RunName | None":
        """The settings in the name of a folder, as published or of a run whose configuration does not hold them.

        None where it is no such name. What the name cannot carry is not told back: a comma, a colon or a slash.

        >>> name = "CIR_Model-datasetCUB-catebirds-basemodelvit_b-encodingsize256-enc_updateTrue-num_epoch30-final"
        >>> RunName.read(name).folder == name
        True
        """
        found = _NAME.fullmatch(folder)
        if found is None:
            return None
        words: dict[str, Any] = {name: value for name, value in found.groupdict().items() if value is not None}
        numbers = {name: int(found[name]) for name in ("encoding_size", "num_epoch")}
        return cls(**(words | numbers | {"enc_update": found["enc_update"] == "True"}))
