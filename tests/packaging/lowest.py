"""The lowest version of everything that the project asks for, a line each, for `make test-lowest` to install.

    python tests/packaging/lowest.py > lowest.txt

requirements.txt and the extras of pyproject.toml name lower bounds. Here every bound becomes the version itself: an
installation either has exactly these versions or fails.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


def required(root: Path = ROOT) -> list[Requirement]:
    """What requirements.txt asks for."""
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def of_extras(root: Path = ROOT) -> dict[str, list[Requirement]]:
    """What each extra asks for of other projects."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {extra: [Requirement(line) for line in lines] for extra, lines in project["optional-dependencies"].items()}
    own = canonicalize_name(project["name"])
    return {extra: [each for each in asked if canonicalize_name(each.name) != own] for extra, asked in extras.items()}


def bound(requirement: Requirement) -> Version:
    """The lowest version that a requirement admits.

    >>> bound(Requirement("gradio>=6.0,<7")), bound(Requirement("ruff==0.17.6"))
    (<Version('6.0')>, <Version('0.17.6')>)

    Raises:
        ValueError: it names none.
    """
    lowest = [Version(each.version) for each in requirement.specifier if each.operator in (">=", "==", "~=")]
    if not lowest:
        raise ValueError(f"{requirement} has no lower bound: give it one, as in {requirement.name}>=1.2")
    return max(lowest)


def pins(asked: Iterable[Requirement]) -> list[str]:
    """Each requirement at its bound; of one that is asked for twice, at the higher.

    >>> pins(map(Requirement, ["timm>=1.0.3", "milvus-lite>=2.5; sys_platform != 'win32'", "timm>=1.0.7"]))
    ['milvus-lite==2.5; sys_platform != "win32"', 'timm==1.0.7']
    """
    highest: dict[str, Requirement] = {}
    for each in asked:
        name = canonicalize_name(each.name)
        if name not in highest or bound(highest[name]) < bound(each):
            highest[name] = each
    marks = {name: f"; {each.marker}" if each.marker else "" for name, each in highest.items()}
    return [f"{name}=={bound(each)}{marks[name]}" for name, each in sorted(highest.items())]


if __name__ == "__main__":
    print(*pins([*required(), *(each for asked in of_extras().values() for each in asked)]), sep="\n")
