"""What the pages show: their command lines, programs and code, and the hooks that make the site of them."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").rglob("*.md"))]
SCRIPT = r"[A-Z]\d\.[\w-]+\.py"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^|(?<=\n\n))(?: {4}.*\n(?:\n(?= {4}))?)+")
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def hooks():
    """The module of the site, which is no package."""
    if "site_hooks" not in sys.modules:
        spec = importlib.util.spec_from_file_location("site_hooks", PROJECT / "docs" / "hooks.py")
        sys.modules["site_hooks"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["site_hooks"])
    return sys.modules["site_hooks"]


def named(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


def code_of(text: str) -> tuple[list[str], list[str]]:
    """The lines of a page's commands, continued ones joined; and the code within its sentences.

    A block of Python is none of commands, nor is one of `text`, which shows what a program says.
    """
    blocks = [body for language, body in BLOCK.findall(text) if language not in ("python", "text")]
    text = BLOCK.sub("", text)
    blocks += INDENTED.findall(text)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines], [" ".join(each.split()) for each in SPAN.findall(INDENTED.sub("", text))]


def command_in(line: str) -> tuple[str, list[str]] | None:
    """The script that a line of code starts, and its words up to a comment; nothing where it starts none."""
    found = re.search(rf"(?:^|\s|/)({SCRIPT})(?=\s|$)(.*)", line)
    if not found:
        return None
    words = re.split(r"\s#\s|\s\(|\s(?:&&|\||>)\s", found[2])[0]
    return found[1], [word for word in shlex.split(words) if word != "..."]


def programs_of(page: Path) -> list[str]:
    """The Python of a page, by its blocks."""
    return [body for language, body in BLOCK.findall(page.read_text(encoding="utf-8")) if language == "python"]
