"""Time what the explorer does while a slider is dragged, on a gallery of WikiArt's size.

The run is made up: 16,289 test images (and as many to train on), whose embeddings (E = 256) are the tanh of a centre
for each label plus noise; heads of 27 and 11 classes, trained on them for some seconds; a condition of two styles and
any genre but one. The image files are 64 pictures of 224 pixels under many names. Three times are taken:

- `engine`: from a state to its hits, within Python;
- `grid`: in a headless Chromium, from the slider's input event to the new hits in the document; an event every 600 ms;
- `images`: the same until their thumbnails are drawn too, which are made when they are first asked for.

Of requests by themselves, each made one after the other, the times from sending to the last byte stand below the table:
hits of a link, as the page takes them and as a CSV file with the usual methods beside; a thumbnail for the first time,
again, and one that the browser has already.

At last the slider is dragged to and fro for two seconds, with an event every 16 ms: how many grids a second appear,
and how long the last one takes from the last event. The browser needs the extra `browser` and a Chromium; where
they are missing, the engine is timed alone, and the table says so.

Reads:  nothing.
Writes: a table; the same as JSON, with --json FILE.

    python bench/explorer.py          (four minutes on two cores)
"""

import argparse
import dataclasses
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from backward_search.cli import ExploreOptions, IndexOptions, VisualizeOptions, parse
from backward_search.cli.answering_groups import engine_names
from backward_search.cli.translation import run_name, run_paths
from backward_search.data import registry
from backward_search.data.registry import DatasetEntry
from backward_search.data.tables import Samples, write_tables
from backward_search.explorer.explored import ExploredRun
from backward_search.explorer.state import Choice, State
from backward_search.model.network import Head, ModelConfig
from backward_search.runs.run import config_json
from backward_search.solvers.protocol import Knob
from backward_search.stages.build_index import build_index
from backward_search.stages.explore import explorer_of
from backward_search.storage.atomic import write_array, write_csv, write_json
from backward_search.storage.manifest import Stage
from backward_search.storage.paths import DataPaths
from backward_search.storage.tensors import save_tensors

E, CLASSES = 256, {"style": 27, "genre": 11}
NAME, PICTURES = "made-up", 64
COMMON = """
  const slider = document.querySelector('#strength input[type=range]'), hits = document.querySelector('#hits');
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
  const shown = () => Number((hits.querySelector('[data-strength]') || {dataset: {}}).dataset.strength);
  const pause = (time) => new Promise((done) => setTimeout(done, time));
  const move = (value) => { set.call(slider, value); slider.dispatchEvent(new Event('input', {bubbles: true})); };
  const watch = (act) => {
    const watching = new MutationObserver(() => act(watching));
    watching.observe(hits, {childList: true, subtree: true, attributes: true});
  };
"""
MOVE = f"""async (value) => {{{COMMON}
  await pause(600);
  const there = new Promise((done) => watch((watching) => {{
    if (shown() == value) {{ watching.disconnect(); done(); }}
  }}));
  const start = performance.now();
  move(value);
  await there;
  const grid = performance.now() - start;
  await Promise.all([...hits.querySelectorAll('img')].map((image) => image.decode().catch(() => {{}})));
  return [grid, performance.now() - start];
}}"""
"""Move the slider; milliseconds until the grid of this very strength is there, and until its images are."""
DRAG = f"""async (values) => {{{COMMON}
  let grids = 0, last = 0, at = shown();
  watch(() => {{ if (shown() != at) [grids, last, at] = [grids + 1, performance.now(), shown()]; }});
  const start = performance.now();
  for (const value of values) {{ move(value); await pause(16); }}
  const end = performance.now();
  while (at != values.at(-1)) await pause(5);
  return [1000 * grids / (last - start), last - end];
}}"""
"""Drag the slider; grids per second, and milliseconds from the last event to the grid of its strength."""


def lay(folder: Path, images: int, engine: str) -> ExploreOptions:
    """A data set of a few pictures under many names, and a run on it without training, with the engine's index."""
    data = DataPaths.of(folder / "data", NAME)
    count, generator = 2 * images, np.random.default_rng(0)
    ids = {name: generator.integers(k, size=count) for name, k in CLASSES.items()}
    labels = {name: [f"{name}-{i:02}" for i in own] for name, own in ids.items()}
    paths = [f"./data/{NAME}/images/a/{i}.jpg" for i in range(count)]
    splits = {"train": range(images), "test": range(images, count)}
    tags = [f"{labels['style'][i]},{labels['genre'][i]},tag{i % 97}" for i in range(count)]
    written = write_tables(data, Samples(paths, labels, splits, tags))
    registry.save(DatasetEntry(NAME, {"both": tuple(CLASSES)}, encoder_model="small_cnn"), folder / "data")
    Stage("A1", data.manifest("A1"), {}, {}, written).finish()
    roots = ["--data_root", str(folder / "data"), "--weight_root", str(folder / "weight")]
    options = parse(VisualizeOptions, None, ["--dataset_name", NAME, *roots])
    lay_pictures(folder / "data" / NAME / "images" / "a", count)
    lay_run(options, images, {name: torch.from_numpy(own) for name, own in ids.items()})
    if engine != "exact":
        build_index(parse(IndexOptions, None, ["--dataset_name", NAME, *roots, "--engine", engine]))
    roots_of = {f"{kind}_root": str(folder / kind) for kind in ("data", "weight", "result")}
    return ExploreOptions(**roots_of, device="cpu", engine=engine)


def embedded(ids: dict[str, Tensor]) -> Tensor:
    """Embeddings that carry their labels, (N, E)."""
    z = 0.5 * torch.randn(len(next(iter(ids.values()))), E)
    for name, own in ids.items():
        z += (0.5 * torch.randn(CLASSES[name], E))[own]
    return z.tanh()


def trained(z: Tensor, ids: Tensor, classes: int) -> Head:
    """A head that knows the labels of embeddings, after 150 steps of Adam."""
    head = Head(E, classes)
    optimizer = torch.optim.Adam(head.parameters(), 1e-3)
    for _ in range(150):
        rows = torch.randint(len(z), (256,))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(z[rows]), ids[rows]).backward()
        optimizer.step()
    return head.eval()


def lay_run(options: VisualizeOptions, images: int, ids: dict[str, Tensor]) -> None:
    """Heads, embeddings and logits."""
    torch.manual_seed(0)
    paths, classes = run_paths(options), {name: [f"{name}-{i:02}" for i in range(k)] for name, k in CLASSES.items()}
    every = embedded(ids)
    known = {name: trained(every[:images], ids[name][:images], k) for name, k in CLASSES.items()}
    heads = torch.nn.ModuleDict(known).eval()
    save_tensors(paths.weights, {f"heads.{name}": value for name, value in heads.state_dict().items()})
    model = ModelConfig("small_cnn", E, CLASSES, 224)
    write_json(paths.config, config_json(run_name(options), model, options.entry.preprocessing, classes))
    tables = {split: options.data.table(split) for split in ("train", "test")} | {"classes": options.data.classes}
    Stage("B1", paths.manifest("B1"), {}, tables, [paths.weights]).finish()
    for split, first in (("train", 0), ("test", images)):
        z = every[first : first + images]
        write_array(paths.embeddings(split), z.numpy())
        for name, head in heads.items():
            write_array(paths.logits(split, name), head(z).detach().numpy())
        write_csv(paths.rows(split), ["key"], ([f"a/{first + i}.jpg"] for i in range(images)))
        inputs = {split: options.data.table(split), "weights": paths.weights}
        Stage("C1", paths.embedding_manifest(split), {}, inputs, [paths.embeddings(split)]).finish()


def lay_pictures(folder: Path, count: int) -> None:
    """Files of noise in colours, each under many names."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for i in range(count):
        if i < PICTURES:
            noise = generator.integers(256, size=(14, 14, 3), dtype=np.uint8)
            Image.fromarray(noise).resize((224, 224)).save(folder / f"{i}.jpg")
        else:
            os.link(folder / f"{i % PICTURES}.jpg", folder / f"{i}.jpg")


@contextmanager
def served(options: ExploreOptions) -> Iterator[str]:
    """The explorer as a process of its own: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    roots = [f"--{kind}_root={getattr(options, f'{kind}_root')}" for kind in ("data", "weight", "result")]
    roots += ["--engine", options.engine, "--device", "cpu"]
    words = [sys.executable, str(PROJECT / "F1.Search-Explorer.py"), *roots, "--port", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium, or None."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if name and (found := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        yield None
        return
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """The median and the 95th percentile."""
    return {f"p{q}": float(np.quantile(values, q / 100)) for q in (50, 95)}


def positions(slider: Knob, repeats: int) -> list[float]:
    """Where the slider is put: spread over its range, each far from the one before."""
    steps = np.linspace(slider.least, slider.most, repeats + 1)[1:]
    return [round(float(step), 2) for step in np.random.default_rng(0).permutation(steps)]


def engine_times(explored: ExploredRun, state: State, repeats: int) -> dict[str, float]:
    """Milliseconds from states to their hits."""
    slider = explored.slider(state)
    values = [None] * repeats if slider is None else positions(slider, repeats)
    at = [dataclasses.replace(state, strength=value) for value in values]
    explored.view(at[0])  # the first one loads
    return quantiles([1000 * explored.view(one).seconds for one in at])


def request_times(address: str, state: State, repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds of requests, by what is asked for."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc)

    def taken(path: str, **headers: str) -> float:
        """Those of one."""
        start = time.perf_counter()
        connection.request("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        answer.read()
        tags.append(answer.headers["ETag"] or "")
        return 1000 * (time.perf_counter() - start)

    tags: list[str] = []
    links = [dataclasses.replace(state, query=row, beside="1").link() for row in range(repeats)]
    alone = [dataclasses.replace(state, choices={name: choice}).link() for name, choice in state.choices.items()]
    for link in (*alone, links[0]):  # the first ones load
        taken(f"/hits.csv?{link}")
    places = [f"/thumbnail/{state.run}/{row}.jpg" for row in range(100, 100 + repeats)]
    times = {path: [taken(f"/{path}?{link}") for link in links] for path in ("hits", "hits.csv")}
    times["thumbnail"] = [taken(place) for place in places]
    times["again"] = [taken(place) for place in places]
    known = dict(zip(places, tags[-repeats:], strict=True))
    times["known"] = [taken(place, If_None_Match=known[place]) for place in places]
    return {name: quantiles(own) | {"most": max(own)} for name, own in times.items()}


def page_times(page: Any, address: str, state: State, slider: Knob, repeats: int) -> dict[str, Any]:
    """Milliseconds from the slider's events to the new grid and to its images."""
    page.goto(f"{address}?{state.link()}")
    page.wait_for_selector("#hits img")
    page.wait_for_timeout(1500)
    values = positions(slider, repeats)
    page.evaluate(MOVE, values[-1])  # the first one loads
    taken = [page.evaluate(MOVE, value) for value in values]
    way = np.linspace(slider.least, slider.most, 62)
    rate, lag = page.evaluate(DRAG, [round(float(value), 2) for value in (*way, *way[::-1])])
    grid, images = (quantiles([each[i] for each in taken]) for i in range(2))
    return {"grid": grid, "images": images, "per_second": rate, "lag": lag}


def main() -> None:
    """Lay the run, drag every slider, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16_289, help="in the gallery [16289]")
    parser.add_argument("--repeats", type=int, default=100, help="positions of each slider [100]")
    parser.add_argument("--engine", choices=engine_names(), default="exact", help="what finds the hits [exact]")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as the server does
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        options = lay(Path(folder), arguments.images, arguments.engine)
        explorer = explorer_of(options, Path(folder) / "thumbnails")
        explored = explorer.loaded(explorer.first)
        choices = {"style": Choice(("style-03", "style-07")), "genre": Choice(("genre-02",), negated=True)}
        first = State(explorer.first, 5, choices=choices)
        states = [dataclasses.replace(first, method=method) for method in explored.methods(first)]
        for state in states:
            figures[state.method] = {"engine": engine_times(explored, state, arguments.repeats)}
        with served(options) as address:
            requests = request_times(address, states[0], arguments.repeats)
            with browser() as running:
                if running is not None:
                    page = running.new_page(viewport={"width": 1280, "height": 1000})
                    for state in states:
                        slider = explored.slider(state)
                        if slider is not None:
                            figures[state.method] |= page_times(page, address, state, slider, arguments.repeats)
    report(figures)
    for name, own in requests.items():
        print(f"{name:<12}{own['p50']:8.1f}{own['p95']:8.1f}{own['most']:8.1f}")
    if arguments.json is not None:
        write_json(arguments.json, {**figures, "requests": requests})


def report(figures: dict[str, dict[str, Any]]) -> None:
    """Print the table."""
    kinds = ("engine", "grid", "images")
    print("milliseconds      " + "".join(f"{kind:>11} p50, p95" for kind in kinds) + "   grids/s   last")
    for method, own in figures.items():
        times = "".join(f"{own[kind]['p50']:12.1f}{own[kind]['p95']:8.1f}" for kind in kinds if kind in own)
        drag = f"{own['per_second']:10.1f}{own['lag']:7.0f}" if "lag" in own else ""
        print(f"{method:<18}{times}{drag}")
    if not any("grid" in own for own in figures.values()):
        print("no browser: pip install '.[browser]', and apt-get install chromium")


if __name__ == "__main__":
    main()
