"""The doctests of modules that need an extra are left out where it is not installed."""

import importlib.util

EXTRAS = {"gradio": ["backward_search/explorer/*.py"]}

collect_ignore_glob = [
    pattern for name, patterns in EXTRAS.items() if importlib.util.find_spec(name) is None for pattern in patterns
]
