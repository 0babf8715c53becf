"""The page, in Gradio: where its parts stand, what they are wired to, and what answers."""

import hashlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from backward_search.errors import OptionError, UserError
from backward_search.explorer.asked import WHOLE, Asked, Function
from backward_search.explorer.exploration import Explorer
from backward_search.explorer.guard import Entrance, Guard
from backward_search.explorer.look import ADDRESSED, CLICKED, DRAGGED, KEYS, LATER, STYLE, WENT
from backward_search.explorer.open_pages import OpenPages
from backward_search.explorer.state import METHOD
from backward_search.extras import how_to_install

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ["GRADIO_RUN_HISTORY"] = "False"  # browsers keep no list of what was asked
try:
    import gradio as gr
except ImportError:
    raise OptionError(f"the explorer needs Gradio: {how_to_install('web')}") from None

from backward_search.explorer.handlers import BESIDE, Handlers

QUICK: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
"""Of events that come while something is dragged: the last one counts."""
FRESH = "private, max-age=300, stale-while-revalidate=86400"
"""How long a browser shows a thumbnail without asking, and for how long it asks only after it has shown it."""
PAGES, WAITING = 1000, 500
"""Open pages whose state is kept, and events that wait to be answered."""
INVITATION = """# Backward Search
Search with an image, and say what should be different. Try it: choose another label for the example, or click any image
to search with it (arrow keys and Enter do too)."""
TURNS = {-WHOLE: "first", -1: "earlier", 1: "later", WHOLE: "last"}
"""What the buttons below the gallery are called, by how many pages they turn."""
SLOW: dict[str, Any] = QUICK | {"api_name": False}


@dataclass(frozen=True)
class Controls:
    """The left column."""

    run: Any
    index: Any
    chance: Any
    query: Any
    upload: Any
    menus: list[Any]
    nots: list[Any]
    count: Any
    method: Any
    strength: Any
    beside: Any


@dataclass(frozen=True)
class Results:
    """The right column."""

    head: Any
    hits: Any
    others: Any
    way: Any
    way_parts: list[Any]
    gallery: Any
    browse: Any
    turns: dict[int, Any]
    link: Any
    draw: Any
    command: Any
    figure: Any
    went: Any


def build(explorer: Explorer, handlers: Handlers) -> Any:
    """The page."""
    with gr.Blocks(title="Backward Search", analytics_enabled=False) as page:
        state = gr.State(explorer.start(""))
        gr.Markdown(INVITATION, elem_id="invitation")
        with gr.Row(elem_id="whole"):
            with gr.Column(scale=1, min_width=300, elem_classes="half"):
                controls = _left(explorer)
            with gr.Column(scale=3, min_width=320, elem_classes="half"):
                results = _right()
        _wire(page, handlers, controls, results, state)
    return page


def _left(explorer: Explorer) -> Controls:
    several = len(explorer.runs) > 1
    run = gr.Dropdown(explorer.names(), label="run", elem_id="run", visible=True if several else "hidden")
    query = gr.HTML(elem_id="query")
    menus, nots = [], []
    with gr.Column(elem_id="conditions"):
        for i in range(explorer.attributes):
            with gr.Row():
                menus.append(gr.Dropdown([], multiselect=True, elem_id=f"attribute-{i}", scale=3, min_width=150))
                nots.append(gr.Checkbox(label="not", elem_id=f"not-{i}", min_width=70))
        count = gr.Checkbox(label="frequent labels first", elem_id="count")
    strength = gr.Slider(0, 1, label="strength", step=0.01, visible=False, elem_id="strength")
    with gr.Row(elem_id="pick"):
        index = gr.Number(label="query", precision=0, minimum=0, elem_id="index", scale=1, min_width=150)
        chance = gr.Button("at random", elem_id="chance", scale=1, min_width=120)
    upload = gr.File(label="or an image of your own", type="filepath", height=110, elem_id="upload")
    with gr.Column(elem_id="how"):
        method = gr.Dropdown([METHOD], value=METHOD, label="method", elem_id="method")
        beside = gr.Dropdown(list(BESIDE), value="", label="compare with", elem_id="beside")
    return Controls(run, index, chance, query, upload, menus, nots, count, method, strength, beside)


def _right() -> Results:
    head = gr.HTML(elem_id="head")
    with gr.Row(elem_id="found"):
        hits = gr.HTML(elem_id="hits", js_on_load=CLICKED)
        others = gr.HTML(elem_id="others", js_on_load=CLICKED, visible=False)
    with gr.Accordion("The teacher's way: map and probabilities", open=False, elem_id="way") as way:
        parts = [gr.Markdown(visible=False)]
        with gr.Row():
            parts += [gr.Plot(show_label=False, visible=False, min_width=280) for _ in range(2)]
    with gr.Accordion("The gallery", open=False, elem_id="gallery") as gallery:
        browse = gr.HTML(elem_id="browse", js_on_load=CLICKED, elem_classes="small")
        with gr.Row():
            turns = {step: gr.Button(words, min_width=40) for step, words in TURNS.items()}
    with gr.Accordion("Link and figure", open=False, elem_id="share"):
        link = gr.Textbox(label="link to this state", interactive=False, buttons=["copy"], elem_id="link")
        command = gr.Textbox(label="the command of its figure", buttons=["copy"], elem_id="command", interactive=False)
        draw = gr.Button("draw the figure", elem_id="draw")
        figure = gr.Image(show_label=False, interactive=False, elem_id="figure", visible=False)
    went = gr.HTML(elem_id="went", js_on_load=WENT)
    return Results(head, hits, others, way, parts, gallery, browse, turns, link, draw, command, figure, went)


def _wire(page: Any, handlers: Handlers, left: Controls, right: Results, state: Any) -> None:
    conditions = [*left.menus, *left.nots]
    found = [right.head, right.hits, right.link]
    controls = [left.index, left.query, left.upload, *conditions, left.count, left.method, left.strength, left.beside]
    everything = [state, left.run, *controls, *found]
    opened = [*everything, right.browse, right.way, right.gallery]
    settled = [right.others, *right.way_parts, right.command, right.figure]

    def then(event: Any, function: Any, given: list[Any], outputs: list[Any], name: str = "", **how: Any) -> None:
        how = QUICK | how
        done = event(handlers.guarded(function), [state, *given], outputs, api_name=name or False, **how)
        done.success(handlers.guarded(handlers.settled), [state], settled, **SLOW)

    loaded = page.load(handlers.guarded(handlers.open), None, opened, api_name="open", show_progress="hidden")
    loaded.success(handlers.guarded(handlers.settled), [state], settled, **SLOW)
    then(left.run.input, handlers.run, [left.run], opened, "run")
    then(left.index.input, handlers.index, [left.index], everything, "query")
    then(left.chance.click, handlers.chance, [], everything)
    then(left.upload.upload, handlers.file, [left.upload], everything, "upload")
    then(left.upload.clear, handlers.file, [left.upload], everything)
    for part in conditions:
        then(part.input, handlers.condition, conditions, everything)
    then(left.count.input, handlers.order, [left.count], everything)
    then(left.method.input, handlers.method, [left.method], everything, "method")
    then(left.beside.input, handlers.beside, [left.beside], [state, *found])
    then(right.way.expand, handlers.shown, [], [state, right.link])
    then(right.way.collapse, handlers.hidden, [], [state, right.link])
    for images in (right.hits, right.others, right.browse):
        then(images.select, handlers.image, [], everything)
    moved = handlers.guarded(handlers.slide)
    given, kept_up = [state, left.strength], [state, right.link]
    left.strength.input(moved, given, kept_up, api_name="strength", queue=False, js=LATER, **QUICK)
    then(left.strength.release, handlers.slid, [left.strength], [state, *found])
    _wire_gallery(handlers, right, state)
    then(right.went.select, handlers.back, [], opened, "back", trigger_mode="multiple")  # each has its own link
    page.load(None, js=DRAGGED)
    page.load(None, js=KEYS)
    right.link.change(None, [right.link], [right.link], js=ADDRESSED)
    right.draw.click(handlers.guarded(handlers.figure), [state], [right.figure], api_name="figure")


def _wire_gallery(handlers: Handlers, right: Results, state: Any) -> None:
    shown = [state, right.link, right.browse]
    right.gallery.expand(handlers.guarded(handlers.turned), [state], shown, **SLOW)
    right.gallery.collapse(handlers.guarded(handlers.closed), [state], [state, right.link], **SLOW)
    for step, button in right.turns.items():
        button.click(handlers.guarded(partial(handlers.turned, step=step)), [state], shown, **SLOW)


def _add_routes(app: Any, explorer: Explorer, handlers: Handlers) -> None:
    """Serve small copies of the runs' images and the uploaded ones, and hits: for the slider, and as CSV."""
    from fastapi import HTTPException, Request, Response

    def found(find: Any, *named: Any) -> Any:
        try:
            return find(*named)
        except UserError as error:
            raise HTTPException(404, handlers.said(error)) from None

    def image(request: Request, find: Any, *named: Any) -> Any:
        """A picture, or that the browser has it already, by a tag made of its content."""
        data = found(find, *named).read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        headers = {"Cache-Control": FRESH, "ETag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type="image/jpeg", headers=headers)

    def uploaded(request: Request, name: str) -> Any:
        return image(request, explorer.uploaded, name)

    def thumbnail(request: Request, run: str, row: int) -> Any:
        return image(request, explorer.thumbnail, run, row)

    def hits(request: Request) -> Any:
        return found(handlers.quickly, request.url.query)

    def sheet(request: Request) -> Any:
        text = found(handlers.sheet, request.url.query)
        headers = {"Content-Disposition": 'attachment; filename="hits.csv"', "Cache-Control": "no-store"}
        return Response(text.encode(errors="backslashreplace"), media_type="text/csv", headers=headers)

    app.add_api_route("/thumbnail/upload/{name}.jpg", uploaded)
    app.add_api_route("/thumbnail/{run}/{row}.jpg", thumbnail)
    app.add_api_route("/hits", hits)
    app.add_api_route("/hits.csv", sheet)


def application(explorer: Explorer, folder: Path, upload_mb: int, entrance: Entrance | None = None) -> Any:
    """The web application, for a server to run.

    Args:
        explorer: what is explored; its thumbnails lie in `thumbnails_below(folder)`.
        folder: of what is served; it can go when the server has ended.
        upload_mb: the largest image file that is taken, in megabytes.
        entrance: who may come in; by default everybody on this machine.
    """
    from fastapi import FastAPI

    served = folder / "served"
    os.environ["GRADIO_TEMP_DIR"] = str(served)
    entrance = entrance or Entrance()
    handlers = Handlers(explorer, public=entrance.public)
    page = build(explorer, handlers)
    page.has_launched = True  # or Gradio takes any file of this machine that a client names for an uploaded one
    page.state_session_capacity = PAGES
    page.queue(max_size=WAITING, api_open=False)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_routes(app, explorer, handlers)
    mounted = gr.mount_gradio_app(
        app,
        page,
        path="/",
        allowed_paths=[str(thumbnails_below(folder) / "figures")],
        max_file_size=upload_mb * 10**6,
        show_error=False,
        css=STYLE,
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        ssr_mode=False,
        footer_links=[],
    )
    asked = Asked(functions(page), served)
    return Guard(mounted, entrance, asked, upload_mb, OpenPages(page, served))


def functions(page: Any) -> dict[int, Function]:
    """What the events of the page call, by Gradio's number; those that run in the browser alone are none."""
    return {
        number: Function(_name(function), tuple(_kind(part) for part in function.inputs))
        for number, function in page.fns.items()
        if function.fn is not None
    }


def _name(function: Any) -> str:
    """In the API; Gradio has one for those too that are none of it."""
    private = getattr(function, "api_visibility", "public") == "private" or not function.api_name
    return "" if private else str(function.api_name)


def _kind(part: Any) -> str:
    name = str(part.get_block_name())
    return "multiselect" if name == "dropdown" and part.multiselect else name


def thumbnails_below(folder: Path) -> Path:
    """Where thumbnails and figures go in the folder of what is served."""
    return folder / "thumbnails"
