"""Command lines: read into an options dataclass, and written from one."""

import argparse
import difflib
import importlib
import os
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from backward_search.cli.definition import check, require
from backward_search.cli.help_text import entries_of, short_help, whole_help
from backward_search.data import registry
from backward_search.methods.registry import METHODS
from backward_search.solvers.registry import SOLVERS
from backward_search.storage.paths import PROJECT, DataPaths, rooted
from backward_search.visible import quoted, visible

if typing.TYPE_CHECKING:  # its names are light, its module is not
    from backward_search.solvers.protocol import Knob

Settings = TypeVar("Settings")

SCRIPTS = {
    "B1": "train:TrainOptions",
    "C1": "embed:EmbedOptions",
    "C2": "build_index:IndexOptions",
    "C4": "learn_context:ContextOptions",
    "D1": "distill:DistillOptions",
    "E1": "evaluate:EvaluateOptions",
    "E2": "visualize:VisualizeOptions",
    "F1": "explore:ExploreOptions",
    "A2": "generate_queries:QueryOptions",
    "C3": "change_gallery:ChangeOptions",
    "E3": "paper_tables:PaperTableOptions",
    "A0": "import_published:ImportOptions",
    "A1": "prepare:CustomOptions",
    "P1": "photo_search:PhotoOptions",
}
"""Where the options of each script are, the most used first."""


def parse(
    kind: type[Settings],
    description: str | None,
    argv: Sequence[str] | None = None,
    *,
    program: str | None = None,
    **fixed: Any,
) -> Settings:
    """Read a command line into the options dataclass `kind`.

    Args:
        kind: the options of the script.
        description: the script's docstring, shown by --help.
        argv: the arguments, those of the process by default.
        program: what --help calls it, the script's file by default.
        fixed: values that the script sets itself and does not offer as options.

    Raises:
        OptionError: the values contradict each other or name what does not exist; a fixed one is no option of `kind`,
            or not of its type.
        SystemExit: with code 2 and one line for a malformed command line.
    """
    parser = parser_of(kind, description, program, **fixed)
    given = vars(parser.parse_args(argv))
    for definition in _fields(kind):
        if definition.metadata.get("place") and isinstance(given.get(definition.name), str):
            given[definition.name] = placed(given[definition.name], definition.default)
    given |= fixed
    _pass_lists_on(kind, given)
    for definition in _fields(kind):
        source = definition.metadata.get("of_dataset")
        if source and definition.name not in given:
            entry = registry.find(given["dataset_name"], given.get("data_root", "data"))
            given[definition.name] = getattr(entry, source)
    if parser.further:
        given["further"] = {name: given.pop(name) for name in parser.further if name in given}
    settings = kind(**given)
    check(settings)
    return settings


def parser_of(kind: type, description: str | None = None, program: str | None = None, **fixed: Any) -> "_Parser":
    """The parser of a script: its options as the dataclass `kind` defines them, but for those that the script fixes.

    Raises:
        OptionError: a fixed one is no option of `kind`, or not of its type.
    """
    parser = _Parser(program, description=description or "", add_help=False, allow_abbrev=False)
    parser.kind = kind
    annotations = typing.get_type_hints(kind)
    _check_fixed(annotations, fixed)
    takes_further = False
    for definition in _fields(kind):
        if definition.metadata.get("further"):
            takes_further = True
        elif definition.name not in fixed:
            _add(parser, definition, annotations[definition.name])
    parser.further = _add_further(parser, annotations) if takes_further else {}
    for names, show in ((("-h", "--help"), short_help), (("--help-all",), whole_help)):
        parser.add_argument(*names, action=_Help, show=show, left_out=tuple(fixed), further=parser.further)
    return parser


def _fields(kind: type) -> "tuple[Field[Any], ...]":
    return fields(kind)


def _check_fixed(annotations: dict[str, Any], fixed: dict[str, Any]) -> None:
    for name, value in fixed.items():
        require(name in annotations, f"there is no option {name}: {', '.join(annotations)}")
        kind = annotations[name]
        right = isinstance(value, kind) or (kind is float and isinstance(value, int))
        require(right, f"{name} is {value!r}: expected {getattr(kind, '__name__', kind)}")


def parse_each(kind: type[Settings], description: str | None, argv: Sequence[str] | None = None) -> list[Settings]:
    """Read a command line for the data set it names, or, where it names none, for every one that is prepared.

    Raises:
        OptionError: as `parse`; or no data set is named and none is prepared.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if {"--help", "--help-all", "-h"} & set(words):
        parser = parser_of(kind, description)
        parser.spared = ("dataset_name",)
        parser.parse_args(words)
    if any(word.split("=")[0] == "--dataset_name" for word in words):
        return [parse(kind, description, words)]
    first = _Parser(add_help=False, allow_abbrev=False)
    first.add_argument("--data_root", default="data")
    root = placed(first.parse_known_args(words)[0].data_root, "data")
    prepared = [name for name in registry.names(root) if DataPaths.of(root, name).is_prepared]
    require(bool(prepared), f"no data set is prepared in {root}: run its A1 script, or name it with --dataset_name")
    return [parse(kind, description, [*words, "--dataset_name", name]) for name in prepared]


def next_command(options: Any, script: str, kind: type) -> str:
    """The command that runs `script`, whose options are `kind`, on what was made with `options`.

    It names what differs from the defaults; batch sizes and --overwrite are each script's own.
    """
    place = script if Path.cwd() == PROJECT else quoted(str(PROJECT / script))
    words = [f"python {place}"]
    words += [f"--dataset_name {quoted(options.dataset_name)}"] if hasattr(options, "dataset_name") else []
    for definition in _fields(kind):
        name, source = definition.name, definition.metadata.get("of_dataset")
        if name in ("dataset_name", "batch_size", "overwrite", "further") or not hasattr(options, name):
            continue
        default = getattr(options.entry, source) if source else definition.default
        if getattr(options, name) != default:
            words.append(f"--{name} {quoted(str(getattr(options, name)))}")
    words += [f"--{name} {value}" for name, value in getattr(options, "further", {}).items()]
    return " ".join(words)


def placed(text: str, default: Any = MISSING) -> str:
    """The file or folder that a word of a command line means: a relative one begins in the working directory.

    In the project's folder, where defaults begin too, it stays as it is.

    Args:
        text: the word; "" stays.
        default: of the option.
    """
    path = Path(text).expanduser()
    if not text or (not path.is_absolute() and Path.cwd() == PROJECT):
        return text
    whole = Path(os.path.normpath(Path.cwd() / path))
    return default if isinstance(default, str) and default and whole == rooted(default) else str(whole)


def truth(text: str) -> bool:
    """Read a boolean option: True or False, in any case, also 1/0 and yes/no.

    >>> truth("False"), truth("yes")
    (False, True)
    """
    values = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")
    return values[text.lower()]


def truth_or_file(text: str) -> bool | str:
    """Read an option that is True, False, or the name of a file.

    >>> truth_or_file("no"), truth_or_file("resnet18.pth")
    (False, 'resnet18.pth')
    """
    try:
        return truth(text)
    except argparse.ArgumentTypeError:
        return text


class _Parser(argparse.ArgumentParser):
    """A parser that fails in one line."""

    kind: type | None = None
    further: typing.Mapping[str, str] = {}
    spared: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: --([\w-]+)", message)
        hint = _hint(unknown[1], self.kind) if unknown and self.kind is not None else ""
        self.exit(2, f"error: {visible(' '.join(message.split()))}{hint} (see --help)\n")


class _Help(argparse.Action):
    """Shows the options, and ends."""

    def __init__(
        self, *, show: Callable[..., str], left_out: Sequence[str], further: dict[str, str], **how: Any
    ) -> None:
        super().__init__(**how | {"nargs": 0, "default": argparse.SUPPRESS, "dest": argparse.SUPPRESS})
        self._show, self._left_out, self._further = show, left_out, further

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        kind = getattr(parser, "kind", None)
        assert kind is not None
        spared = getattr(parser, "spared", ())
        entries = entries_of(kind, self._left_out, list(self._further.items()), spared)
        print(self._show(parser.prog, parser.description, entries), end="")
        parser.exit()


def _hint(name: str, kind: type) -> str:
    """What an option that a script does not have may be meant for."""
    own = [definition.name for definition in _fields(kind)]
    near = difflib.get_close_matches(name, own, 1, 0.75) or [other for other in own if name in other.split("_")]
    if near:
        return f": did you mean --{near[0]}?"
    others = {
        definition.name: script for script, other in reversed(list(_each_script())) for definition in _fields(other)
    }
    if name in others:
        return f": --{name} is an option of {others[name]}"
    near = difflib.get_close_matches(name, others, 1, 0.8)
    if near:
        return f": did you mean --{near[0]} of {others[near[0]]}?"
    near = difflib.get_close_matches(name, own, 1, 0.5)
    return f": did you mean --{near[0]}?" if near else ""


def _each_script() -> Iterator[tuple[str, type]]:
    """The scripts with the class of their options, the most used first."""
    for script, place in SCRIPTS.items():
        module, _, attribute = place.partition(":")
        yield script, getattr(importlib.import_module(f"backward_search.cli.{module}"), attribute)


def _further_knobs() -> "Iterator[Knob]":
    """The knobs of solvers and methods that other packages add."""
    for solver in SOLVERS.added():
        yield solver.knob
    for method in METHODS.added():
        yield from method.knobs


def _add_further(parser: _Parser, known: dict[str, Any]) -> dict[str, str]:
    """Add an option for each of those that is not an option already, and return by name what they do."""
    knobs = {knob.option: knob for knob in _further_knobs() if knob.option not in known}
    for name in knobs:
        parser.add_argument(f"--{name}", type=float, default=argparse.SUPPRESS)
    return {name: f"{knob.meaning} [{knob.default}]" for name, knob in knobs.items()}


def _reader(annotation: Any) -> Callable[[str], Any]:
    kind = _plain(annotation)
    if kind is bool:
        return truth
    return truth_or_file if kind == bool | str else typing.cast(Callable[[str], Any], kind)


def _plain(annotation: Any) -> Any:
    """The type of a value that may be left out too."""
    kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    return kinds[0] if isinstance(annotation, types.UnionType) and len(kinds) == 1 else annotation


def _one_or_list(reader: Callable[[str], Any]) -> Callable[[str], Any]:
    """Read one value, or leave a comma-separated list as it is."""

    def read(text: str) -> Any:
        return text if "," in text else reader(text)

    read.__name__ = reader.__name__  # which argparse calls the type in its messages
    return read


def _pass_lists_on(kind: type, given: dict[str, Any]) -> None:
    """Move the lists that were given to an option of one value to the option they are meant for."""
    for definition in _fields(kind):
        goal = definition.metadata.get("list_goes_to")
        if goal and isinstance(given.get(definition.name), str):
            require(goal not in given, f"--{definition.name} and --{goal} both list values: pass one of them")
            given[goal] = given.pop(definition.name)


def _add(parser: argparse.ArgumentParser, definition: "Field[Any]", annotation: Any) -> None:
    meta = definition.metadata
    choices = meta["choices"]() if callable(meta["choices"]) else meta["choices"]
    arguments: dict[str, Any] = {
        "type": _one_or_list(_reader(annotation)) if meta["list_goes_to"] else _reader(annotation),
        "required": definition.default is MISSING and meta["of_dataset"] is None,
    }
    if _plain(annotation) in (bool, bool | str):
        arguments |= {"nargs": "?", "const": True}
    elif choices:
        arguments |= {"choices": list(choices)}
    parser.add_argument(f"--{definition.name}", default=argparse.SUPPRESS, **arguments)
