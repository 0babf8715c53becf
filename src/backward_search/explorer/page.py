"""The page, in Gradio: it turns what is clicked into a state, and what the engine finds into components."""

import os
import tempfile
import urllib.parse
from dataclasses import replace
from pathlib import Path
from typing import Any

from backward_search.errors import OptionError, UserError
from backward_search.explorer.engine import STRENGTHS, Engine, View, captions
from backward_search.explorer.pictures import Map, Thumbnails, probabilities
from backward_search.explorer.runs import trained_runs
from backward_search.explorer.state import METHOD, Choice, State, from_link
from backward_search.explorer.uploads import Uploads
from backward_search.files.paths import explorer_uploads
from backward_search.options import ExploreOptions
from backward_search.stages.visualize import visualize

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
try:
    import gradio as gr
except ImportError:
    raise OptionError("the explorer needs Gradio: pip install -r requirements-web.txt") from None

POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self'; frame-ancestors 'self'; "
    "form-action 'self'"
)
"""No browser fetches anything from elsewhere for this page, whatever it contains."""
SIDE_BY_SIDE = ("unchanged", "teacher", "student", "best")
BROWSED = 12
COLUMNS = {"columns": 4, "object_fit": "contain", "allow_preview": False, "height": "auto"}


class Explorer:
    """The runs that can be chosen, each loaded when it first is."""

    def __init__(self, options: ExploreOptions, folder: Path) -> None:
        """Find the runs; thumbnails go to `folder`.

        Raises:
            OptionError: there are none.
        """
        self.runs = trained_runs(options)
        if not self.runs:
            raise OptionError(f"no run with embeddings in {options.weight_root}: run B1 and C1 first, or make demo")
        self.uploads = Uploads(explorer_uploads(options.result_root), options.upload_mb)
        self.thumbnails = Thumbnails(folder)
        self._engines: dict[str, Engine] = {}
        self._maps: dict[str, Map] = {}
        self.attributes = max(len(run.attributes) for run in self.runs.values())

    def engine(self, run: str) -> Engine:
        """The engine of a run.

        Raises:
            OptionError: there is no such run.
        """
        if run not in self.runs:
            raise OptionError(f"there is no run {run!r} here")
        if run not in self._engines:
            self._engines[run] = Engine(self.runs[run], self.uploads)
        return self._engines[run]

    def map(self, run: str) -> Map:
        """The map of a run."""
        if run not in self._maps:
            self._maps[run] = Map(self.engine(run))
        return self._maps[run]

    def start(self, link: str) -> State:
        """The state of a link, or of the page as it first is."""
        pairs = urllib.parse.parse_qsl(link)
        state = from_link(pairs) if pairs else State(next(iter(self.runs)))
        state = state if state.run else replace(state, run=next(iter(self.runs)))
        return self.engine(state.run).checked(state)

    def images(self, state: State, view: View) -> list[tuple[str, str]]:
        """The hits as a gallery shows them."""
        engine = self.engine(state.run)
        files = [self.thumbnails.of(state.run, engine.image(hit.row), hit.row, meets=hit.meets) for hit in view.found]
        return list(zip(files, captions(view.found), strict=True))

    def browsed(self, state: State) -> tuple[list[tuple[str, str]], list[int]]:
        """Some images of the gallery to start from: those from the query's on."""
        engine = self.engine(state.run)
        start = int(engine.rows.searchsorted(state.query)) // BROWSED * BROWSED
        rows = [int(row) for row in engine.rows[start : start + BROWSED]]
        return [(self.thumbnails.of(state.run, engine.image(row), row), str(row)) for row in rows], rows

    def query(self, state: State) -> str:
        """The query's thumbnail."""
        engine = self.engine(state.run)
        name = state.upload or state.query
        return self.thumbnails.of(state.run, engine.query_image(state), name)


def guarded(function: Any) -> Any:
    """The function, with what a user can cause shown as a message instead of a fault."""

    def safe(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from None

    safe.__name__ = function.__name__
    return safe


def build(explorer: Explorer) -> Any:
    """The page."""
    with gr.Blocks(title="Backward Search", analytics_enabled=False) as page:
        state = gr.State(explorer.start(""))
        shown = gr.State([])
        browsable = gr.State([])
        gr.Markdown("# Backward Search\nPick an image, say what should be different, and see what the gallery has.")
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                run = gr.Dropdown(list(explorer.runs), label="run", elem_id="run")
                index = gr.Number(label="query: index in the table", precision=0, minimum=0, elem_id="index")
                query = gr.Image(label="query", interactive=False, height=220, buttons=[], elem_id="query")
                about = gr.Markdown(elem_id="about")
                upload = gr.File(label="or an image of your own", type="filepath", height=110, elem_id="upload")
                menus = [
                    gr.Dropdown([], multiselect=True, label="any", elem_id=f"attribute-{i}", visible=False)
                    for i in range(explorer.attributes)
                ]
                nots = [gr.Checkbox(label="not", elem_id=f"not-{i}", visible=False) for i in range(explorer.attributes)]
                method = gr.Dropdown([METHOD], value=METHOD, label="method", elem_id="method")
                strength = gr.Slider(0, 1, label="strength", step=0.01, visible=False, elem_id="strength")
                beside = gr.Checkbox(label="methods side by side", elem_id="beside")
            with gr.Column(scale=3, min_width=320):
                head = gr.Markdown(elem_id="head")
                hits = gr.Gallery(label="hits: click one to search with it", elem_id="hits", **COLUMNS)
                others = [
                    gr.Gallery(label=name, visible=False, elem_id=f"hits-{name}", **COLUMNS) for name in SIDE_BY_SIDE
                ]
                with gr.Accordion("Map and probabilities along the way", open=False, elem_id="way") as folded:
                    with gr.Row():
                        plot_map, plot_chances = gr.Plot(label="map"), gr.Plot(label="probabilities")
                    see = gr.Button("draw the way", elem_id="see")
                with gr.Accordion("The gallery", open=False):
                    browse = gr.Gallery(label="click an image to search with it", elem_id="browse", **COLUMNS)
                with gr.Accordion("Link and figure", open=False, elem_id="share"):
                    link = gr.Textbox(label="link to this state", interactive=False, buttons=["copy"], elem_id="link")
                    draw = gr.Button("draw the figure as E2 would", elem_id="draw")
                    command = gr.Textbox(label="the command", interactive=False, buttons=["copy"], elem_id="command")
                    figure = gr.Image(label="figure", interactive=False, elem_id="figure")
        del folded
        results = [head, hits, shown, link, *others]
        controls = [index, query, about, *menus, *nots, method, strength, browse, browsable]
        everything = [state, run, *controls, *results]

        def show(new: State, beside_: bool) -> list[Any]:
            view = explorer.engine(new.run).view(new)
            return _results(explorer, new, view, beside_)

        def all_of(new: State, beside_: bool) -> list[Any]:
            return [new, new.run, *_controls(explorer, new), *show(new, beside_)]

        def open_page(beside_: bool, request: gr.Request) -> list[Any]:
            try:
                return all_of(explorer.start(urllib.parse.urlencode(_pairs(request))), beside_)
            except UserError as error:
                gr.Warning(str(error))
                return all_of(explorer.start(""), beside_)

        def choose_run(name: str, beside_: bool) -> list[Any]:
            return all_of(explorer.start(urllib.parse.urlencode({"run": name})), beside_)

        def choose_index(old: State, row: float | None, beside_: bool) -> list[Any]:
            new = replace(old, query=int(row or 0), upload="")
            return all_of(explorer.engine(new.run).checked(new), beside_)

        def choose_hit(old: State, rows: list[int], beside_: bool, event: gr.SelectData) -> list[Any]:
            return all_of(replace(old, query=rows[int(event.index)], upload=""), beside_)

        def choose_file(old: State, file: str | None, beside_: bool) -> list[Any]:
            new = old if file is None else replace(old, upload=explorer.uploads.take(Path(file)))
            return all_of(new, beside_)

        def choose_condition(old: State, beside_: bool, *values: Any) -> list[Any]:
            names = explorer.engine(old.run).attributes
            labels, flags = values[: len(menus)], values[len(menus) :]
            chosen = zip(names, labels, flags, strict=False)
            choices = {name: Choice(tuple(some), bool(flag)) for name, some, flag in chosen if some}
            new = explorer.engine(old.run).checked(replace(old, choices=choices, strength=None))
            return all_of(new, beside_)

        def choose_method(old: State, name: str, beside_: bool) -> list[Any]:
            return all_of(replace(old, method=name, strength=None), beside_)

        def slide(old: State, value: float, beside_: bool) -> list[Any]:
            new = replace(old, strength=float(value))
            return [new, *show(new, beside_)]

        def draw_way(old: State) -> list[Any]:
            way = explorer.engine(old.run).way(old)
            if way is None:
                raise OptionError("choose a condition first: without one the query stays where it is")
            return [explorer.map(old.run).draw(old, way), probabilities(way)]

        def draw_figure(old: State) -> list[Any]:
            engine = explorer.engine(old.run)
            return [engine.command(old), explorer.thumbnails.whole(visualize(engine.drawing(old)))]

        quick: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
        page.load(open_page, [beside], everything, api_name="open")
        run.input(guarded(choose_run), [run, beside], everything, api_name="run", **quick)
        index.submit(guarded(choose_index), [state, index, beside], everything, api_name="query", **quick)
        for gallery, rows in ((hits, shown), (browse, browsable)):
            gallery.select(choose_hit, [state, rows, beside], everything, api_name=False, **quick)
        upload.upload(guarded(choose_file), [state, upload, beside], everything, api_name="upload", **quick)
        for part in (*menus, *nots):
            part.input(guarded(choose_condition), [state, beside, *menus, *nots], everything, api_name=False, **quick)
        method.input(guarded(choose_method), [state, method, beside], everything, api_name="method", **quick)
        strength.input(guarded(slide), [state, strength, beside], [state, *results], api_name="strength", **quick)
        beside.input(guarded(show), [state, beside], results, api_name=False, **quick)
        see.click(guarded(draw_way), [state], [plot_map, plot_chances], api_name="way")
        draw.click(guarded(draw_figure), [state], [command, figure], api_name="figure")
    return page


def _pairs(request: Any) -> list[tuple[str, str]]:
    return list(request.query_params.multi_items()) if request is not None else []


def _controls(explorer: Explorer, state: State) -> list[Any]:
    engine = explorer.engine(state.run)
    menus, nots = [], []
    for i in range(explorer.attributes):
        name = engine.attributes[i] if i < len(engine.attributes) else None
        choice = state.choices.get(name or "", Choice())
        choices = [] if name is None else engine.table.classes[name]
        label = f"{name}: {'any' if not choice.labels else 'not' if choice.negated else 'is'}"
        menus.append(gr.update(choices=choices, value=list(choice.labels), label=label, visible=name is not None))
        nots.append(gr.update(value=choice.negated, label=f"not these ({name})", visible=name is not None))
    methods = engine.methods(state)
    method = state.method if state.method in methods else methods[0]
    browse, rows = explorer.browsed(state)
    index = None if state.upload else state.query
    return [
        *(index, explorer.query(state), engine.query_text(state), *menus, *nots),
        *(gr.update(choices=methods, value=method), _slider(engine, replace(state, method=method)), browse, rows),
    ]


def _slider(engine: Engine, state: State) -> Any:
    kind = STRENGTHS.get(state.method)
    if kind is None or not state.choices:
        return gr.update(visible=False)
    value = engine.view(state).strength
    return gr.update(minimum=kind.least, maximum=kind.most, value=value, label=kind.words, visible=True)


def _results(explorer: Explorer, state: State, view: View, beside: bool) -> list[Any]:
    met = sum(hit.meets for hit in view.found)
    wanted = f"**{_plain(state.condition)}** — {met} of {len(view.found)} meet it" if state.choices else "no condition"
    head = f"{view.method}: {wanted} ({1000 * view.seconds:.0f} ms)"
    engine = explorer.engine(state.run)
    others = []
    for name in SIDE_BY_SIDE:
        there = beside and name in engine.methods(state) and name != view.method
        shown = explorer.images(state, engine.view(replace(state, method=name, strength=None))) if there else []
        others.append(gr.update(value=shown, visible=there))
    return [head, explorer.images(state, view), [hit.row for hit in view.found], f"?{state.link()}", *others]


def _plain(text: str) -> str:
    """The text without Markdown's and HTML's signs meaning anything."""
    return "".join(f"&#{ord(sign)};" if sign in "*_`[]<>&#!\\$|" else sign for sign in text)


def application(options: ExploreOptions) -> Any:
    """The web application, for a server to run.

    Raises:
        OptionError: there is no run to explore.
    """
    from fastapi import FastAPI, Request

    folder = Path(tempfile.mkdtemp(prefix="explorer-"))
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
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        ssr_mode=False,
        footer_links=[],
    )


def serve(options: ExploreOptions) -> None:
    """Serve the page until it is interrupted."""
    import uvicorn

    uvicorn.run(application(options), host=options.host, port=options.port, log_level="warning")
