"""What a client is told of an error: nothing of where things lie on this machine."""

import re
from collections.abc import Mapping

PATH = re.compile(r"(?<![\w.:/<])(?:[A-Za-z]:\\|/)(?:[^\s/\\'\"`;,:<>]+[/\\])+([^\s/\\'\"`;,:<>]*)")
"""An absolute path of a folder at least and something in it, and its last part."""


def without_paths(text: str, roots: Mapping[str, str]) -> str:
    r"""The same words on one line, with each path cut down to what it is called.

    Args:
        text: a message, or a command.
        roots: by path what stands for it.

    >>> without_paths("no /home/me/weight/run-1/heads.csv: run B1", {"/home/me/weight": "weight"})
    'no weight/run-1/heads.csv: run B1'
    >>> without_paths("cannot open '/srv/photos/a b/c.png' or C:\\data\\x.png; see /srv", {})
    "cannot open 'a b/c.png' or x.png; see /srv"
    """
    for root in sorted((each for each in roots if len(each) > 1), key=len, reverse=True):
        text = text.replace(root, roots[root])
    return PATH.sub(r"\1", " ".join(text.split()))
