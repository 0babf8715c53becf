"""Asks a service about known vulnerabilities of every installed package, or of those that a lock file pins.

    python tests/packaging/audit.py                        # the environment of this Python
    python tests/packaging/audit.py requirements.lock
    python tests/packaging/audit.py --vulnerability-service osv

pip-audit does the asking, and takes the options. Left alone it also ends well where the service knows no package at
all, as behind a mirror of PyPI without advisories, and with a traceback where there is no network. Here both end with
one line and exit code 2; a known vulnerability ends with 1.
"""

import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

OWN = "backward-search"
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)


class NotAuditedError(Exception):
    """The service gave no answer, or none about some packages."""


def installed() -> list[str]:
    """What this environment has of other projects, a pin each; of a build such as 2.13.0+cpu the release."""
    found = {canonicalize_name(each.metadata["Name"]): each.version for each in importlib.metadata.distributions()}
    return [f"{name}=={Version(version).public}" for name, version in sorted(found.items()) if name != OWN]


def pinned(lock: Path) -> list[str]:
    """What a lock file pins, whatever the system each pin is for.

    Raises:
        NotAuditedError: it is not there, or pins nothing.
    """
    found = PIN.findall(lock.read_text(encoding="utf-8")) if lock.is_file() else []
    if not found:
        raise NotAuditedError("it is not there, or pins nothing: make lock writes it")
    return sorted({f"{name}=={version}" for name, version in found})


def answers(pins: list[str], options: list[str]) -> list[dict[str, Any]]:
    """What the service says of each pin, as pip-audit tells it.

    Raises:
        NotAuditedError: the service was not reached, or there is no pip-audit.
    """
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "pins.txt"
        listed.write_text("\n".join(pins), encoding="utf-8")
        words = [sys.executable, "-m", "pip_audit", "-r", str(listed), "--no-deps", "--disable-pip", "-f", "json"]
        done = subprocess.run(
            [*words, "--progress-spinner", "off", *options], capture_output=True, text=True, check=False
        )
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, LookupError):
        said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        advice = "run it again where the vulnerability service can be reached"
        raise NotAuditedError(f"pip-audit got no answer ({said[:300]}): {advice}") from None


def refuse_gaps(answered: list[dict[str, Any]]) -> None:
    """Raises:
    NotAuditedError: the service knows nothing of some packages.
    """
    unknown = [each["name"] for each in answered if "skip_reason" in each]
    if unknown:
        raise NotAuditedError(
            f"{len(unknown)} of {len(answered)} packages are unknown to the service ({', '.join(unknown[:5])}"
            f"{', ...' if unknown[5:] else ''}): ask PyPI itself, or another service with --vulnerability-service osv"
        )


def main(words: list[str]) -> int:
    """Audit, say what was found, and return the exit code."""
    locks = [Path(word) for word in words if word.endswith(".lock")]
    about = ", ".join(map(str, locks)) or "the environment"
    try:
        pins = [pin for lock in locks for pin in pinned(lock)] if locks else installed()
        answered = answers(pins, [word for word in words if not word.endswith(".lock")])
        vulnerable = [each for each in answered if each.get("vulns")]
        for each in vulnerable:
            for known in each["vulns"]:
                mended = ", ".join(known["fix_versions"]) or "no version yet"
                print(f"{each['name']} {each['version']}: {known['id']}, mended in {mended}")
        refuse_gaps(answered)
    except NotAuditedError as error:
        print(f"not audited: {about}: {error}")
        return 2
    print(f"{about}: {len(answered)} packages, {len(vulnerable) or 'none'} with a known vulnerability")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
