"""The options of the numbered scripts: each is defined once, as a field of a dataclass that the scripts share.

A script's options are one dataclass; `parse` makes the parser from its fields. The type of the field is the type of the
option, so that what reaches the package is typed and complete.
"""

from backward_search.cli.answering import (
    OUTPUTS,
    SOLVERS,
    AnswerOptions,
    DistillOptions,
    EngineOptions,
    EvaluateOptions,
    TaskOptions,
)
from backward_search.cli.answering import (
    EngineChoice as EngineChoice,
)
from backward_search.cli.command_line import next_command, parse, parse_each, truth
from backward_search.cli.definition import DatasetOptions, Options, conditioned_attributes, option, require
from backward_search.cli.preparing import (
    ApyOptions,
    CubOptions,
    CustomOptions,
    DownloadOptions,
    ImportOptions,
    PrepareOptions,
    QueryOptions,
)
from backward_search.cli.showing import FORMATS, MAPS, ExploreOptions, PaperTableOptions, VisualizeOptions
from backward_search.cli.training import (
    ENGINES,
    PRECISIONS,
    SPLITS,
    ChangeOptions,
    EmbedOptions,
    IndexOptions,
    NetworkOptions,
    RunOptions,
    TrainOptions,
)

__all__ = [
    "ENGINES",
    "FORMATS",
    "MAPS",
    "OUTPUTS",
    "PRECISIONS",
    "SOLVERS",
    "SPLITS",
    "AnswerOptions",
    "ApyOptions",
    "ChangeOptions",
    "CubOptions",
    "CustomOptions",
    "DatasetOptions",
    "DistillOptions",
    "DownloadOptions",
    "EmbedOptions",
    "EngineOptions",
    "EvaluateOptions",
    "ExploreOptions",
    "ImportOptions",
    "IndexOptions",
    "NetworkOptions",
    "Options",
    "PaperTableOptions",
    "PrepareOptions",
    "QueryOptions",
    "RunOptions",
    "TaskOptions",
    "TrainOptions",
    "VisualizeOptions",
    "conditioned_attributes",
    "next_command",
    "option",
    "parse",
    "parse_each",
    "require",
    "truth",
]
