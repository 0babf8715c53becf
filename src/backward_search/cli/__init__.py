"""The command line, an edge of the package: options are defined, checked and translated here, and known nowhere below.

Each numbered script has a module of options, named as its stage, made of groups that scripts share (`groups`,
`answering_groups`). `command_line.parse` makes the parser from a dataclass's fields: the type of the field is the type
of the option. `translation` makes the small values of them that the package works with.
"""

import os

from backward_search.cli.build_index import IndexOptions
from backward_search.cli.change_gallery import ChangeOptions
from backward_search.cli.command_line import next_command, parse, parse_each
from backward_search.cli.demo import DemoOptions
from backward_search.cli.distill import DistillOptions
from backward_search.cli.embed import EmbedOptions
from backward_search.cli.evaluate import EvaluateOptions
from backward_search.cli.explore import ExploreOptions
from backward_search.cli.generate_queries import QueryOptions
from backward_search.cli.import_published import ImportOptions
from backward_search.cli.learn_context import ContextOptions
from backward_search.cli.paper_tables import PaperTableOptions
from backward_search.cli.photo_search import PhotoOptions
from backward_search.cli.prepare import ApyOptions, CubOptions, CustomOptions, DownloadOptions, PrepareOptions
from backward_search.cli.train import TrainOptions
from backward_search.cli.visualize import VisualizeOptions

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""Threads of PyTorch, which is imported later, sleep while they wait for one another: beside other programs those that
spin hold the very core that the others need, and small operations take ten times as long."""

__all__ = [
    "ApyOptions",
    "ChangeOptions",
    "ContextOptions",
    "CubOptions",
    "CustomOptions",
    "DemoOptions",
    "DistillOptions",
    "DownloadOptions",
    "EmbedOptions",
    "EvaluateOptions",
    "ExploreOptions",
    "ImportOptions",
    "IndexOptions",
    "PaperTableOptions",
    "PhotoOptions",
    "PrepareOptions",
    "QueryOptions",
    "TrainOptions",
    "VisualizeOptions",
    "next_command",
    "parse",
    "parse_each",
]
