"""Every command and option that the pages, the docstrings of the scripts and the site show is one that exists."""

import ast
import re

import pytest
from doc_pages import PAGES, PROJECT, SCRIPT, code_of, command_in, hooks, named

SCRIPTS = {script.file.name: script for script in hooks().scripts()}
TEXTS = {named(page): page.read_text(encoding="utf-8") for page in PAGES}
DOCSTRINGS = {name: script.about + "\n" for name, script in SCRIPTS.items()}
OTHERS = {
    *("help", "help-all", "upgrade", "strict"),
    *("nproc_per_node", "nnodes", "rdzv_backend", "rdzv_endpoint", "standalone"),  # of torchrun
    "thorough-faults",  # of the tests
    "shm-size",  # of containers
}
"""Options of other programs."""
BENCH = {
    name
    for file in (PROJECT / "bench").iterdir()
    if file.suffix in (".py", ".sh")
    for name in re.findall(r"--([a-z][\w-]*)", file.read_text(encoding="utf-8"))
}
FOLDERS = "bench|docs|src|tests|fig|notebooks"


def commands(text: str) -> list[tuple[str, list[str], bool]]:
    """Each command of a text: script, words, and whether it is whole."""
    lines, spans = code_of(text)
    whole = [(*found, "..." not in line) for line in lines if (found := command_in(line))]
    return whole + [(*found, False) for span in spans if (found := command_in(span))]


def refused(script: str, words: list[str], whole: bool) -> str:
    """What the script's own parser says against some words; "" where it takes them."""
    parser = SCRIPTS[script].parser
    said = []
    parser.exit = lambda _status=0, message=None: said.append(message)
    parser.error = lambda message: said.append(message) or parser.exit(2)
    for action in parser._actions:
        action.required = action.required and whole
    parser.parse_args(words)
    return "; ".join(filter(None, said))


@pytest.mark.parametrize("name", [*TEXTS, *DOCSTRINGS])
def test_every_command_is_taken_by_the_parser_of_its_script(name):
    for script, words, whole in commands((TEXTS | DOCSTRINGS)[name]):
        assert script in SCRIPTS, f"{name}: there is no {script}"
        said = refused(script, words, whole)
        assert not said, f"{name}: {script} {' '.join(words)}: {said}"


def test_commands_are_found():
    found = [command for text in TEXTS.values() for command in commands(text)]
    assert len(found) > 50
    assert len({script for script, _, _ in found}) == len(SCRIPTS)
    assert all(commands(text) for text in DOCSTRINGS.values())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("python B1.BuildModel.py --epochs 3", "unrecognized arguments: --epochs 3"),
        ("python E1.Model-Evaluation.py --dataset_name a --protocol other", "invalid choice"),
        ("python D1.Train-KD-Model.py", "required: --dataset_name"),
        ("OMP_NUM_THREADS=1 python C1.ModelTest.py --dataset_name glyphs    # or another", ""),
    ],
)
def test_a_command_that_does_not_exist_is_refused(line, words):
    ((script, given, whole),) = commands(f"Text.\n\n    {line}\n")
    assert words in refused(script, given, whole)
    assert bool(words) == bool(refused(script, given, whole))


@pytest.mark.parametrize("name", TEXTS)
def test_every_option_that_a_page_names_exists(name):
    known = {name_of(option) for script in SCRIPTS.values() for option in script.options} | OTHERS | BENCH
    lines, spans = code_of(TEXTS[name])
    for code in [*lines, *spans]:
        if not re.match(r"(?:\S*/)?(?:pip|git|apt-get|docker)\b", code):
            assert set(re.findall(r"(?<![\w-])--([a-z][\w-]*)", code)) <= known, f"{name}: {code}"


@pytest.mark.parametrize("name", TEXTS)
def test_scripts_files_and_targets_that_a_page_names_exist(name):
    assert set(re.findall(rf"(?<![\w.])({SCRIPT})", TEXTS[name])) <= set(SCRIPTS)
    lines, spans = code_of(TEXTS[name])
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for code in [*lines, *spans]:
        for place in re.findall(rf"(?<![\w/.~-])((?:{FOLDERS})/[\w./-]*\w)", code):
            assert (PROJECT / place).exists() or place.startswith("fig/tables"), f"{name}: {place}"
        if found := re.match(r"make (?:-n )?([a-z-]+)", code):
            assert found[1] in targets, f"{name}: {code}"


def test_the_site_has_every_option_of_every_script():
    for script in SCRIPTS.values():
        page = hooks().options_page(script)
        rows = re.findall(r"^\| `--(\w+)[^`]*` \|", page, re.MULTILINE)
        assert sorted(rows) == sorted(map(name_of, script.options))
        assert not {"dataset_name"} & set(script.fixed) & set(rows)
        assert ast.get_docstring(ast.parse(script.file.read_text(encoding="utf-8"))) in page
    table = hooks().table_of_scripts()
    assert all(f"[{name}](scripts/{name.removesuffix('.py')}.md)" in table for name in SCRIPTS)


def test_a_row_says_what_help_says():
    rows = [hooks().option_row(option) for option in SCRIPTS["E1.Model-Evaluation.py"].options]
    (found,) = [row for row in rows if row.startswith("| `--inverse_lambda")]
    assert "[the data set's]" in found
    assert any(row.startswith("| `--split WORD` | ") for row in rows)


def name_of(option) -> str:
    """The name of an option, without what it takes."""
    return option.name.split()[0].removeprefix("--")


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("index.md", "![a](../fig/Figure1.png)", "![a](fig/Figure1.png)"),
        ("how-to/cub.md", "[a](../method.md#2-search)", "[a](../method.md#2-search)"),
        ("how-to/cub.md", "[a](../../SECURITY.md)", "[a](../SECURITY.md)"),
        ("SECURITY.md", "[a](docs/how-to/cub.md)", "[a](how-to/cub.md)"),
        ("index.md", "[a](../README.md)", "a"),
        ("index.md", "[a](https://example.org/b.md) [b](#c)", "[a](https://example.org/b.md) [b](#c)"),
        ("index.md", r"| `a=b\|c` | x \| y |", r"| `a=b|c` | x \| y |"),
        ("index.md", "```python\nx[a](b)\n```", "```python\nx[a](b)\n```"),
    ],
)
def test_links_work_on_the_site_too(page, link, there):
    assert hooks().bent(link, page) == there


def test_links_to_the_source_lead_to_the_repository_where_it_is_known():
    assert hooks().bent("[a](../tests/toys)", "index.md", "https://h/r/") == "[a](https://h/r/blob/main/tests/toys)"


def test_the_reference_of_the_api_has_all_that_is_exported():
    import backward_search

    page = TEXTS["docs/reference/api.md"]
    shown = re.findall(r"^::: backward_search\.(.+)\.(\w+)$", page, re.MULTILINE)
    assert {name: place for place, name in shown} == backward_search._PLACES


def test_every_page_is_in_the_navigation():
    settings = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8")
    shown = set(re.findall(r"^ +- ([\w./-]+\.md)$", settings, re.MULTILINE))
    pages = {page.relative_to(PROJECT / "docs").as_posix() for page in (PROJECT / "docs").rglob("*.md")}
    assert shown == pages | set(hooks().ROOT_PAGES)
