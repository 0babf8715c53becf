"""The page, in Gradio: where its parts stand, what they are wired to, and the server."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from backward_search.errors import OptionError
from backward_search.explorer.exploration import Explorer
from backward_search.explorer.state import METHOD
from backward_search.options import ExploreOptions

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
try:
    import gradio as gr
except ImportError:
    raise OptionError("the explorer needs Gradio: pip install -r requirements-web.txt") from None

from backward_search.explorer.handlers import SIDE_BY_SIDE, Handlers, guarded

POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self'; frame-ancestors 'self'; "
    "form-action 'self'"
)
"""No browser fetches anything from elsewhere for this page, whatever it contains."""
COLUMNS: dict[str, Any] = {"columns": 4, "object_fit": "contain", "allow_preview": False, "height": "auto"}
STYLE = """
.found .grid-wrap, .found .grid-container { max-height: none !important; height: auto !important; }
.found .caption-label { position: static; max-width: 100%; white-space: normal; text-align: left; font-size: 0.75rem; }
.found .thumbnail-lg, .found .thumbnail-item { aspect-ratio: auto; height: auto; overflow: visible; display: block; }
.found img { height: auto; }
@media (max-width: 640px) { .found .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)) !important; } }
"""
"""Whole captions below the images, and no scrolling inside the grid."""
QUICK: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
"""Of events that come while something is dragged: the last one counts."""


@dataclass(frozen=True)
class Controls:
    """The left column."""

    run: Any
    index: Any
    query: Any
    about: Any
    upload: Any
    menus: list[Any]
    nots: list[Any]
    method: Any
    strength: Any
    beside: Any


@dataclass(frozen=True)
class Results:
    """The right column."""

    head: Any
    hits: Any
    others: list[Any]
    maps: list[Any]
    see: Any
    browse: Any
    link: Any
    draw: Any
    command: Any
    figure: Any


def build(explorer: Explorer) -> Any:
    """The page."""
    with gr.Blocks(title="Backward Search", analytics_enabled=False) as page:
        state, shown, browsable = gr.State(explorer.start("")), gr.State([]), gr.State([])
        gr.Markdown("# Backward Search\nPick an image, say what should be different, and see what the gallery has.")
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                controls = _left(explorer)
            with gr.Column(scale=3, min_width=320):
                results = _right()
        _wire(page, Handlers(explorer), controls, results, (state, shown, browsable))
    return page


def _left(explorer: Explorer) -> Controls:
    run = gr.Dropdown(explorer.names(), label="run", elem_id="run")
    index = gr.Number(label="query: index in the table", precision=0, minimum=0, elem_id="index")
    query = gr.Image(label="query", interactive=False, height=220, buttons=[], elem_id="query")
    about = gr.Markdown(elem_id="about")
    upload = gr.File(label="or an image of your own", type="filepath", height=130, elem_id="upload")
    menus, nots = [], []
    for i in range(explorer.attributes):
        menus.append(gr.Dropdown([], multiselect=True, elem_id=f"attribute-{i}", visible=False))
        nots.append(gr.Checkbox(elem_id=f"not-{i}", visible=False))
    method = gr.Dropdown([METHOD], value=METHOD, label="method", elem_id="method")
    strength = gr.Slider(0, 1, label="strength", step=0.01, visible=False, elem_id="strength")
    beside = gr.Checkbox(label="methods side by side", elem_id="beside")
    return Controls(run, index, query, about, upload, menus, nots, method, strength, beside)


def _right() -> Results:
    head, hits = gr.Markdown(elem_id="head"), _images("hits")
    others = [_images(f"hits-{name}", label=name, visible=False) for name in SIDE_BY_SIDE]
    with gr.Accordion("Map and probabilities along the way", open=False, elem_id="way"):
        with gr.Row():
            maps = [gr.Plot(show_label=False), gr.Plot(show_label=False)]
        see = gr.Button("draw the way", elem_id="see")
    with gr.Accordion("The gallery: click an image to search with it", open=False):
        browse = _images("browse")
    with gr.Accordion("Link and figure", open=False, elem_id="share"):
        link = gr.Textbox(label="link to this state", interactive=False, buttons=["copy"], elem_id="link")
        draw = gr.Button("draw the figure as E2 would", elem_id="draw")
        command = gr.Textbox(label="the command", interactive=False, buttons=["copy"], elem_id="command")
        figure = gr.Image(label="figure", interactive=False, elem_id="figure")
    return Results(head, hits, others, maps, see, browse, link, draw, command, figure)


def _images(name: str, label: str = "", *, visible: bool = True) -> Any:
    return gr.Gallery(
        label=label, show_label=bool(label), visible=visible, elem_id=name, elem_classes="found", **COLUMNS
    )


def _wire(page: Any, handlers: Handlers, left: Controls, right: Results, kept: tuple[Any, Any, Any]) -> None:
    state, shown, browsable = kept
    beside, conditions = left.beside, [*left.menus, *left.nots]
    results = [right.head, right.hits, shown, right.link, *right.others]
    controls = [left.index, left.query, left.about, *conditions, left.method, left.strength, right.browse, browsable]
    everything = [state, left.run, *controls, *results]
    page.load(handlers.open, [beside], everything, api_name="open")
    left.run.input(guarded(handlers.run), [left.run, beside], everything, api_name="run", **QUICK)
    left.index.submit(guarded(handlers.index), [state, left.index, beside], everything, api_name="query", **QUICK)
    for gallery, rows in ((right.hits, shown), (right.browse, browsable)):
        gallery.select(handlers.image, [state, rows, beside], everything, api_name=False, **QUICK)
    left.upload.upload(guarded(handlers.file), [state, left.upload, beside], everything, api_name="upload", **QUICK)
    for part in conditions:
        part.input(guarded(handlers.condition), [state, beside, *conditions], everything, api_name=False, **QUICK)
    left.method.input(guarded(handlers.method), [state, left.method, beside], everything, api_name="method", **QUICK)
    left.strength.input(
        guarded(handlers.slide), [state, left.strength, beside], [state, *results], api_name="strength", **QUICK
    )
    beside.input(guarded(handlers.show), [state, beside], results, api_name=False, **QUICK)
    right.see.click(guarded(handlers.way), [state], right.maps, api_name="way")
    right.draw.click(guarded(handlers.figure), [state], [right.command, right.figure], api_name="figure")


def application(options: ExploreOptions, folder: Path) -> Any:
    """The web application, for a server to run.

    Args:
        options: what is explored.
        folder: of what is served, thumbnails and figures; it can go when the server has ended.

    Raises:
        OptionError: there is no run to explore.
    """
    from fastapi import FastAPI, Request

    os.environ["GRADIO_TEMP_DIR"] = str(folder / "served")
    page = build(Explorer(options, folder / "thumbnails"))
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def alone(request: Request, respond: Any) -> Any:
        answer = await respond(request)
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    app.middleware("http")(alone)

    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        allowed_paths=[str(folder / "thumbnails")],
        max_file_size=options.upload_mb * 10**6,
        css=STYLE,
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        ssr_mode=False,
        footer_links=[],
    )


def serve(options: ExploreOptions) -> None:
    """Serve the page until it is interrupted."""
    import uvicorn

    torch.set_num_threads(1)  # one query is too little to share: more threads wait for one another
    with tempfile.TemporaryDirectory(prefix="explorer-") as folder:
        uvicorn.run(application(options, Path(folder)), host=options.host, port=options.port, log_level="warning")
