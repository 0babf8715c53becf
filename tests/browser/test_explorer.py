"""The explorer in a headless browser: load, pick, condition, slide, click through, a broken file, a link."""

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser_setting import chromium
from explored import lay_explored
from PIL import Image
from scripts_by_name import PROJECT

pytestmark = pytest.mark.browser
LONG = 60_000


@contextmanager
def serving(*options):
    """The address of F1 as a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, str(PROJECT / "F1.Search-Explorer.py"), *options, "--port", str(port)]
    server = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    for _ in range(600):
        assert server.poll() is None
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    chromium()
    options = lay_explored(tmp_path_factory.mktemp("explored"))
    roots = [f"--{kind}_root={getattr(options, f'{kind}_root')}" for kind in ("data", "weight", "result")]
    with serving(*roots, "--hits", "6", "--upload_mb", "1") as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    program = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(LONG)
    page.elsewhere = []
    page.on("request", lambda request: page.elsewhere.append(request.url))
    page.goto(address + "?query=0")
    page.wait_for_selector("#hits img")
    yield page
    kept = tuple(url for url in page.elsewhere if not url.startswith((address, "data:", "blob:")))
    page.close()
    assert kept == ()


def says(page, pattern: str) -> re.Match:
    """Wait until the line above the hits matches."""
    page.wait_for_function(
        "p => new RegExp(p).test((document.querySelector('#head') || {innerText: ''}).innerText)", arg=pattern
    )
    return re.search(pattern, page.inner_text("#head"))


def choose(page, menu: str, label: str) -> None:
    page.click(f"{menu} input")
    page.get_by_role("option", name=label).first.click()
    page.keyboard.press("Escape")


def link(page) -> str:
    if not page.is_visible("#link"):
        page.click("text=Link and figure")
    page.wait_for_function("(document.querySelector('#link textarea') || {}).value == location.href")
    return page.input_value("#link textarea")


def wait_for_link(page, part: str) -> str:
    link(page)
    page.wait_for_function("p => document.querySelector('#link textarea').value.includes(p)", arg=part, timeout=LONG)
    return link(page)


def test_a_whole_visit(page):
    says(page, "no condition")
    page.fill("#index input", "4")
    wait_for_link(page, "query=4")
    choose(page, "#attribute-0", "002.Kind_of_Bird_2")
    says(page, r"shift_null, birds=002.Kind_of_Bird_2: \d of 6 meet it")
    page.check("#not-0 input")
    says(page, "birds!=002.Kind_of_Bird_2")
    page.fill("#strength input[type=number]", "0.4")
    page.press("#strength input[type=number]", "Enter")
    wait_for_link(page, "strength=0.4")
    page.click("#hits [data-row] >> nth=2")
    page.wait_for_function("document.querySelector('#index input').value != '4'")
    says(page, "birds!=002.Kind_of_Bird_2")
    page.click("#chance")
    page.click("#gallery button")
    page.wait_for_selector("#browse [data-row]")
    page.get_by_role("button", name="first", exact=True).click()
    begun = page.wait_for_selector("#browse h3:text('images 1 to')").inner_text()
    page.get_by_role("button", name="later", exact=True).click()
    page.wait_for_function("begun => document.querySelector('#browse h3').innerText != begun", arg=begun)
    wait_for_link(page, "gallery=12")
    page.click("#browse [data-row] >> nth=1")
    wait_for_link(page, "query=" + page.get_attribute("#browse [data-row] >> nth=1", "data-row"))


def test_results_follow_the_slider_while_it_is_dragged(page):
    choose(page, "#attribute-0", "001.Kind_of_Bird_1")
    says(page, "meet it")
    slider = page.locator("#strength input[type=range]")
    slider.hover(position={"x": 4, "y": slider.bounding_box()["height"] / 2})  # waits until it stands still
    box, most = slider.bounding_box(), float(slider.get_attribute("max"))  # above 2 where the run chose more itself
    middle = box["y"] + box["height"] / 2
    page.mouse.down()
    for share in (0.3, 0.9):
        page.mouse.move(box["x"] + share * box["width"], middle, steps=5)
        page.wait_for_function(
            "s => Math.abs(document.querySelector('#hits .hits').dataset.strength - s) < 0.2", arg=most * share
        )
    page.mouse.up()
    page.wait_for_function(  # the last of the answers to the drag
        "() => document.querySelector('#hits .hits').dataset.strength"
        " == document.querySelector('#strength input[type=range]').value"
    )
    shown = page.get_attribute("#hits .hits", "data-strength")
    assert float(shown) == pytest.approx(0.9 * most, abs=0.2)
    assert f"&strength={shown}&" in wait_for_link(page, f"&strength={shown}&")


def test_a_link_restores_the_whole_state(page, address):
    choose(page, "#attribute-0", "001.Kind_of_Bird_1")
    says(page, "meet it")
    choose(page, "#beside", "the usual methods")
    page.wait_for_selector("#others img")
    page.click("#gallery button")
    wait_for_link(page, "gallery=0")
    page.click("#way button")
    page.wait_for_function("document.querySelectorAll('#way img').length == 2")
    wait_for_link(page, "way=1")
    shown = ("#run input", "#beside input", "#hits .hits", "#others .others", "#browse .hits", "#command textarea")
    read = "s => s.map(e => e.value ?? e.innerHTML).join()"
    before = page.eval_on_selector_all(",".join(shown), read)
    page.goto(wait_for_link(page, "beside=1"))
    says(page, "001.Kind_of_Bird_1")
    page.wait_for_selector("#others img")
    page.wait_for_function("document.querySelectorAll('#way img').length == 2")
    link(page)
    assert page.eval_on_selector_all(",".join(shown), read) == before


def test_the_way_and_the_figure_are_drawn(page):
    page.click("#way button")
    page.wait_for_selector("text=Choose a condition")
    choose(page, "#attribute-0", "001.Kind_of_Bird_1")
    says(page, "meet it")
    page.wait_for_function("document.querySelectorAll('#way img').length == 2")
    link(page)
    page.click("#draw")
    page.wait_for_selector("#figure img")
    assert "E2.Model-Query-Visualization.py --dataset_name CUB" in page.input_value("#command textarea")


def test_a_broken_file_is_a_message_and_a_good_one_a_query(page, tmp_path):
    broken, good = tmp_path / "broken.png", tmp_path / "good.png"
    broken.write_text("no image")
    Image.new("RGB", (40, 30), "red").save(good)
    page.set_input_files("#upload input[type=file]", broken)
    page.wait_for_selector("text=not an image")
    says(page, "no condition")
    page.set_input_files("#upload input[type=file]", good)
    page.wait_for_selector("#query :text('an image of yours')")
    assert "upload=" in wait_for_link(page, "upload=")
    page.reload()
    page.wait_for_selector("#query :text('an image of yours')")
    page.click("#hits [data-row] >> nth=0")
    page.wait_for_selector("#query :text('Kind_of_Bird')")


def test_methods_stand_below_one_another_on_a_phone(browser, address):
    page = browser.new_page(viewport={"width": 375, "height": 812})
    page.set_default_timeout(LONG)
    page.goto(address + "?is.birds=001.Kind_of_Bird_1&beside=1&gallery=0&way=1")
    says(page, "meet it")
    page.wait_for_selector("#others img")
    page.wait_for_selector("#browse img")
    page.wait_for_function("document.querySelectorAll('#way img').length == 2")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    parts = ("#query", "#conditions", "#hits", "#others", "#upload")
    heights = [page.locator(part).bounding_box()["y"] for part in parts]
    assert heights == sorted(heights)
    tops = [page.locator(f"{part} h3").first.bounding_box()["y"] for part in ("#hits", "#others")]
    assert tops[0] < page.locator("#hits img").last.bounding_box()["y"] < tops[1]
    assert page.locator("#others img").first.bounding_box()["width"] > 80
    page.close()


def test_the_first_screen_has_an_answer_and_says_what_to_try(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(LONG)
    page.goto(address)
    says(page, r"birds=00\d.Kind_of_Bird_\d: [1-6] of 6 meet it")
    assert "Try it:" in page.inner_text("#invitation")
    page.wait_for_function("location.search.includes('is.birds=')")
    page.close()


def focused(page) -> int:
    """The place among the hits that has the focus, -1 where none has."""
    return page.evaluate("[...document.querySelectorAll('#hits [data-row]')].indexOf(document.activeElement)")


def test_keys_go_through_the_hits_and_take_one(page):
    page.wait_for_function("document.querySelector('#head').getAttribute('role') == 'status'")
    assert page.eval_on_selector_all("#hits [data-row]", "s => s.map(e => e.tabIndex)") == [0, -1, -1, -1, -1, -1]
    page.focus("#hits [data-row]")
    places = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowLeft", "End", "Home", "ArrowRight"):
        page.keyboard.press(key)
        places.append(focused(page))
    assert places == [1, 2, 1, 0, 0, 5, 0, 1]
    page.set_viewport_size({"width": 375, "height": 812})  # two columns
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert focused(page) == 5
    page.keyboard.press("ArrowUp")
    assert focused(page) == 3
    width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(width.removesuffix("px")) >= 2
    row = page.evaluate("document.activeElement.dataset.row")
    page.keyboard.press("Enter")
    page.wait_for_function("row => location.search.includes(`query=${row}&`)", arg=row)
    page.wait_for_function(
        "row => document.activeElement == document.querySelector('#hits [data-row]')"
        " && document.activeElement.dataset.row == row",
        arg=row,
    )


def test_the_browser_goes_back_and_forth(page):
    choose(page, "#attribute-0", "002.Kind_of_Bird_2")
    says(page, "birds=002.Kind_of_Bird_2")
    page.wait_for_function("location.search.includes('is.birds=002')")
    page.fill("#index input", "4")
    page.wait_for_function("location.search.includes('query=4&')")
    page.fill("#strength input[type=number]", "0.4")
    page.press("#strength input[type=number]", "Enter")
    page.wait_for_function("location.search.includes('strength=0.4')")
    page.go_back()
    page.wait_for_function("document.querySelector('#index input').value == '0'")
    says(page, "birds=002.Kind_of_Bird_2")
    page.go_back()
    says(page, "no condition")
    page.go_forward()
    page.go_forward()
    page.wait_for_function("document.querySelector('#index input').value == '4'")
    says(page, "birds=002.Kind_of_Bird_2")
    assert page.input_value("#strength input[type=number]") == "0.4"


def test_two_methods_stand_side_by_side(page):
    choose(page, "#attribute-0", "001.Kind_of_Bird_1")
    says(page, "meet it")
    choose(page, "#beside", "teacher")
    page.wait_for_selector("#others h3:text('teacher')")
    assert page.locator("#others h3").count() == 1
    both = [page.locator(f"{part} .hits").first.bounding_box() for part in ("#hits", "#others")]
    assert both[0]["y"] == pytest.approx(both[1]["y"], abs=2)
    assert both[0]["width"] == pytest.approx(both[1]["width"], rel=0.1)


def test_labels_are_sorted_by_count_and_found_by_typing(page):
    def offered() -> list[int]:
        page.click("#attribute-0 input")
        page.wait_for_selector("#attribute-0 [role=option]")
        texts = page.locator("#attribute-0 [role=option]").all_inner_texts()
        page.keyboard.press("Escape")
        return [int(re.search(r"\((\d+)\)", text)[1]) for text in texts]

    before = offered()
    assert before != sorted(before, reverse=True)
    page.check("#count input")
    wait_for_link(page, "count=1")
    assert offered() == sorted(before, reverse=True)
    page.click("#attribute-0 input")
    page.keyboard.type("bird_3")
    page.wait_for_function("document.querySelectorAll('#attribute-0 [role=option]').length == 1")


def test_hits_are_saved_as_a_sheet(page):
    choose(page, "#attribute-0", "001.Kind_of_Bird_1")
    says(page, "meet it")
    with page.expect_download() as saving:
        page.click("#head a")
    lines = Path(saving.value.path()).read_text(encoding="utf-8").splitlines()
    assert saving.value.suggested_filename == "hits.csv"
    assert lines[0].startswith("method,strength,condition,query,rank,hit,score,meets,shared,birds")
    assert len(lines) == 7


def test_the_page_is_dark_where_the_system_is(browser, address):
    shades = []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.set_default_timeout(LONG)
        page.goto(address)
        page.wait_for_selector("#hits img")
        painted = "getComputedStyle(document.body).backgroundColor"
        shades.append(sum(map(int, re.findall(r"\d+", page.evaluate(painted))[:3])))
        page.close()
    assert shades[0] > 600
    assert shades[1] < 150


def test_a_picture_of_the_first_screen_is_taken(browser, request, tmp_path):
    place, folder = (request.config.getoption(f"--explorer-{name}") for name in ("picture", "runs"))
    if place is None:
        pytest.skip("saves a picture where --explorer-picture FILE says")
    roots = [f"--{kind}_root={Path(folder or PROJECT).resolve() / kind}" for kind in ("data", "weight")]
    with serving(*roots, f"--result_root={tmp_path}") as address:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(LONG)
        page.goto(address)
        says(page, "meet it")
        page.wait_for_function("[...document.querySelectorAll('#hits img')].every(image => image.complete)")
        page.wait_for_timeout(1000)  # menus and slider are drawn a little later
        page.screenshot(path=place)
        page.close()
