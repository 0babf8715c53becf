"""The trained runs that can be explored, as options: read back from their names and configurations."""

import dataclasses
import re
from pathlib import Path
from typing import Any

from backward_search.cli import ExploreOptions, VisualizeOptions, parse
from backward_search.data import registry
from backward_search.errors import UserError
from backward_search.runs.run import run_paths
from backward_search.storage.atomic import read_json
from backward_search.storage.paths import RunPaths, rooted

NAME = re.compile(
    r"(?P<mname>.+)-dataset(?P<dataset_name>.+)-cate.+-basemodel.+-encodingsize(?P<encoding_size>\d+)"
    r"-enc_update(?P<enc_update>True|False)-num_epoch(?P<num_epoch>\d+)(-recipe(?P<recipe>.+))?-final"
)

PASSED_ON = (
    *("data_root", "weight_root", "result_root", "device"),
    *("engine", "shortlist", "nprobe", "ef_search"),
)
"""The explorer's options that hold for every run."""


def trained_runs(options: ExploreOptions) -> dict[str, VisualizeOptions]:
    """By name, the options of every run that C1 has embedded the test split with; others are left out."""
    found = {}
    for manifest in sorted(rooted(options.weight_root).glob("*/manifest-C1-test.json")):
        own = _options_of(manifest.parent, options)
        if own is not None:
            found[manifest.parent.name] = own
    return found


def _options_of(folder: Path, options: ExploreOptions) -> VisualizeOptions | None:
    name = NAME.fullmatch(folder.name)
    if name is None:
        return None
    try:
        config = read_json(RunPaths(folder).config)
        entry = registry.find(name["dataset_name"], options.data_root)
        attributes = tuple(config["model"]["classes"])
        types = [kind for kind, names in entry.category_types.items() if tuple(names) == attributes]
        given = {key: value for key, value in name.groupdict().items() if value is not None}
        given |= {"category_type": types[0] if types else ",".join(attributes), "recipe": name["recipe"] or "paper"}
        given |= {"encoder_model": config["model"]["encoder_model"]}
        words = [f"--{key}={value}" for key, value in (given | _passed_on(options)).items()]
        own = parse(VisualizeOptions, None, words)
    except (UserError, KeyError, TypeError, SystemExit):
        return None
    return dataclasses.replace(own, search_topk=options.hits) if run_paths(own).name == folder.name else None


def _passed_on(options: ExploreOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in PASSED_ON}
