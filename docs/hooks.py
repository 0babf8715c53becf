"""What mkdocs does beside reading `docs/`: a page of options for each script, and what lies outside of `docs/`.

The options come from the scripts' own parsers, so that a page cannot name one that is not there. Nothing here imports
PyTorch. Links are written as they work in the repository; here those that lead out of `docs/` are bent.
"""

import argparse
import ast
import os
import posixpath
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "src"))

from backward_search import cli
from backward_search.cli.command_line import parser_of
from backward_search.cli.help_text import Entry, entries_of

ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
"""Pages beside the README, which the site has too."""
TABLE_MARK = "<!-- the table of the scripts -->"
"""In `reference/scripts.md`, where the site has a table with a page for each script."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
ESCAPED = re.compile(r"`[^`\n]*\\\|[^`\n]*`")
"""Code with a bar that is escaped, as tables need it in the repository; on the site the backslash would be seen."""
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Script:
    """A numbered script as its source declares it.

    Attributes:
        file: the script.
        about: its docstring.
        kind: the class of its options.
        fixed: the options that it sets itself.
        each: whether it serves every data set where none is named.
    """

    file: Path
    about: str
    kind: type
    fixed: dict[str, Any]
    each: bool

    @property
    def parser(self) -> argparse.ArgumentParser:
        """The parser of its command line."""
        parser = parser_of(self.kind, self.about, **self.fixed)
        for action in parser._actions:
            if self.each and action.dest == "dataset_name":
                action.required = False
        return parser

    @property
    def options(self) -> list[Entry]:
        """Its options."""
        spared = ("dataset_name",) if self.each else ()
        return entries_of(self.kind, tuple(self.fixed), list(self.parser.further.items()), spared)

    @property
    def page(self) -> str:
        """The name of its page on the site."""
        return f"reference/scripts/{self.file.stem}.md"


def scripts() -> list[Script]:
    """The numbered scripts, in the order of their names."""
    return [declared(file) for file in sorted(PROJECT.glob("[A-Z][0-9].*.py"))]


def declared(file: Path) -> Script:
    """A script, by its call of `parse`; the script does not run.

    Raises:
        ValueError: it does not call `parse` or `parse_each` once.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    parsing = [call for call in calls if call.func.id in ("parse", "parse_each")]
    if len(parsing) != 1:
        raise ValueError(f"{file.name} calls parse or parse_each {len(parsing)} times: expected one call")
    kind = getattr(cli, ast.unparse(parsing[0].args[0]))
    fixed = {word.arg: ast.literal_eval(word.value) for word in parsing[0].keywords if word.arg}
    each = parsing[0].func.id == "parse_each"
    return Script(file, ast.get_docstring(tree) or "", kind, fixed, each)


def options_page(script: Script) -> str:
    """The page of a script: its docstring, and a table of its options."""
    lines = [f"# {script.file.name}", "", "```text", script.about.strip(), "```", ""]
    groups: dict[str, list[Entry]] = {}
    for entry in script.options:
        groups.setdefault("Most used" if entry.usual or entry.required else entry.group, []).append(entry)
    for title, entries in sorted(groups.items(), key=lambda group: group[0] != "Most used"):
        lines += [f"## {title}", "", "| option | what it does |", "|---|---|", *map(option_row, entries), ""]
    return "\n".join(lines)


def option_row(entry: Entry) -> str:
    """The line of an option in that table."""
    cells = (f"`{entry.name}`", entry.words.replace("<", "&lt;"))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table_of_scripts() -> str:
    """The scripts with the first line of each, and links to their pages."""
    lines = ["| script | what it does | options |", "|---|---|---|"]
    for script in scripts():
        first = " ".join(script.about.split("\n\n")[0].split())
        page = posixpath.relpath(script.page, "reference")
        lines.append(f"| [{script.file.name}]({page}) | {first} | {len(script.options)} |")
    return "\n".join(lines)


def bent(text: str, page: str, repository: str = "") -> str:
    """A page's text with the links of the site.

    Args:
        text: Markdown, whose links work in the repository.
        page: its name on the site, such as `how-to/cub.md` or `SECURITY.md`.
        repository: the address where its files can be read; without one, a link to what the site does not have is
            left as its text.
    """
    folder = "" if page in ROOT_PAGES else posixpath.join("docs", posixpath.dirname(page))

    def bend(found: re.Match[str]) -> str:
        picture, words, link, part = found.groups()
        target = posixpath.normpath(posixpath.join(folder, link))
        if target.startswith("docs/"):
            place = target.removeprefix("docs/")
        elif target in ROOT_PAGES or target.startswith("fig/"):
            place = target
        elif repository:
            kind = "raw" if picture else "blob"
            return f"{picture}[{words}]({repository.rstrip('/')}/{kind}/main/{target}{part or ''})"
        else:
            return words
        return f"{picture}[{words}]({posixpath.relpath(place, posixpath.dirname(page) or '.')}{part or ''})"

    parts = FENCE.split(text)
    parts[::2] = [ESCAPED.sub(_bar, LINK.sub(bend, each)) for each in parts[::2]]
    return "".join(parts)


def _bar(found: re.Match[str]) -> str:
    return found[0].replace("\\|", "|")


def figures() -> Iterator[str]:
    """The figures of the repository, by their names on the site."""
    for file in sorted((PROJECT / "fig").glob("*.png")):
        yield f"fig/{file.name}"


def on_config(config: Any) -> Any:
    """Lay a page for each script into the navigation."""
    pages = [{script.file.stem: script.page} for script in scripts()]
    for section in config.nav or []:
        if isinstance(section, dict) and "Reference" in section:
            place = section["Reference"].index("reference/scripts.md")
            section["Reference"][place] = {"Scripts": ["reference/scripts.md", *pages]}
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages and figures that do not lie in `docs/`."""
    from mkdocs.structure.files import File  # of the extra `docs`

    for script in scripts():
        files.append(File.generated(config, script.page, content=options_page(script)))
    for name in (*ROOT_PAGES, *figures()):
        if (PROJECT / name).is_file():
            files.append(File.generated(config, name, abs_src_path=os.fspath(PROJECT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Bend a page's links, and fill the table of the scripts in."""
    return bent(markdown, page.file.src_uri, config.repo_url or "").replace(TABLE_MARK, table_of_scripts())
