"""The explorer in a headless browser: load, pick, condition, slide, click through, a broken file, a link."""

import os
import re
import socket
import subprocess
import sys
import time

import pytest
from browser_setting import chromium
from explored import lay_explored
from PIL import Image
from scripts_by_name import PROJECT

pytestmark = pytest.mark.browser
LONG = 60_000


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    chromium()
    options = lay_explored(tmp_path_factory.mktemp("explored"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    roots = [f"--{kind}_root={getattr(options, f'{kind}_root')}" for kind in ("data", "weight", "result")]
    script = str(PROJECT / "F1.Search-Explorer.py")
    words = [sys.executable, script, *roots, "--port", str(port), "--hits", "6", "--upload_mb", "1"]
    server = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    for _ in range(600):
        assert server.poll() is None
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/"
    server.terminate()
    server.wait(10)


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
    page.goto(address)
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
    page.click("text=later")
    page.wait_for_function("document.querySelector('#browse [data-row]').dataset.row != '0'")
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
    page.check("#beside input")
    page.wait_for_selector("#others img")
    page.click("#way button")
    page.wait_for_function("document.querySelectorAll('#way img').length == 2")
    wait_for_link(page, "way=1")
    shown = ("#run input", "#hits .hits", "#others .others", "#command textarea")
    read = "s => s.map(e => e.value ?? e.innerHTML).join()"
    before = page.eval_on_selector_all(",".join(shown), read)
    page.goto(wait_for_link(page, "beside=1"))
    says(page, "001.Kind_of_Bird_1")
    page.wait_for_selector("#others img")
    page.wait_for_function("document.querySelectorAll('#way img').length == 2")
    link(page)
    assert page.is_checked("#beside input")
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
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(LONG)
    page.goto(address + "?is.birds=001.Kind_of_Bird_1")
    says(page, "meet it")
    page.check("#beside input")
    page.wait_for_selector("#others img")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    tops = [page.locator(f"{part} h3").first.bounding_box()["y"] for part in ("#hits", "#others")]
    assert tops[0] < page.locator("#hits img").last.bounding_box()["y"] < tops[1]
    assert page.locator("#others img").first.bounding_box()["width"] > 80
    page.close()
