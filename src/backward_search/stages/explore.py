"""F1: the explorer, over all trained runs."""

import logging
import socket
from collections.abc import Mapping
from pathlib import Path

from backward_search.cli import ExploreOptions, VisualizeOptions, parse
from backward_search.cli.translation import engine_settings
from backward_search.explorer.exploration import Explorer, Places
from backward_search.explorer.explored import ViewSettings
from backward_search.explorer.guard import Entrance
from backward_search.hosts import hostname
from backward_search.runs.names import RunName
from backward_search.runs.run import find_device
from backward_search.stages.visualize import visualize

LOG = logging.getLogger(__name__)
PASSED_ON = ("result_root", "device", "engine", "shortlist", "nprobe", "ef_search", "max_pixels")
"""The explorer's options that E2 has too, and the command of a figure names where they are not as usual."""


def explore(options: ExploreOptions) -> None:
    """Serve the page until it is interrupted."""
    from backward_search.explorer.server import serve  # it needs an extra

    entrance = entrance_of(options)
    if entrance.public and not entrance.users:
        LOG.warning("everybody who reaches %s, port %d, may search here and send images", options.host, options.port)
    serve(lambda folder: explorer_of(options, folder), options.host, entrance, options.upload_mb)


def entrance_of(options: ExploreOptions) -> Entrance:
    """Who may come in, and under which names."""
    names = {options.host, *options.further_hosts}
    if options.public:
        own = socket.gethostname()
        names |= {own, f"{own}.local"}
    return Entrance(options.public, frozenset(map(hostname, names)) - {""}, options.users, options.port)


def explorer_of(options: ExploreOptions, folder: Path) -> Explorer:
    """What is explored, with its thumbnails in a folder.

    Raises:
        OptionError: there is no run.
    """
    usual = ExploreOptions()
    words = {name: getattr(options, name) for name in PASSED_ON if getattr(options, name) != getattr(usual, name)}
    settings = ViewSettings(
        options.hits, engine_settings(options), find_device(options.device), {**words, "search_topk": options.hits}
    )
    places = Places(options.weight_root, options.data_root, options.result_root)

    def draw(name: RunName, chosen: Mapping[str, object]) -> Path:
        """E2's figure of a run under some options."""
        roots = {"weight_root": options.weight_root, "data_root": options.data_root}
        words = [f"--{option}={value}" for option, value in {**name.in_json, **roots, **chosen}.items()]
        return visualize(parse(VisualizeOptions, None, words))

    return Explorer(places, settings, folder, draw, upload_mb=options.upload_mb, max_pixels=options.max_pixels)
