"""No module writes a pickle, or opens one in a way that runs it."""

import ast

import pytest

from backward_search.storage.paths import PROJECT

MODULES = [*sorted((PROJECT / "src").rglob("*.py")), *sorted(PROJECT.glob("[A-Z][0-9].*.py"))]
NEVER = {
    *(f"pickle.{name}" for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler")),
    *("torch.save", "os.system", "eval", "exec"),
}
ONLY_WITH = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "np.save": ("allow_pickle", False),
}


def runs_or_writes_a_pickle(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    given = {each.arg: getattr(each.value, "value", None) for each in call.keywords}
    keyword, value = ONLY_WITH.get(name, ("", None))
    return name in NEVER or name.endswith((".to_pickle", ".read_pickle")) or given.get(keyword) is not value


def found_in(source: str) -> list[str]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [f"line {call.lineno}: {ast.unparse(call)}" for call in calls if runs_or_writes_a_pickle(call)]


@pytest.mark.parametrize("module", MODULES, ids=lambda file: file.relative_to(PROJECT).as_posix())
def test_no_module_writes_or_runs_a_pickle(module):
    assert not found_in(module.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "torch.save(state, file)",
        "pickle.loads(text)",
        "np.load(file, mmap_mode='r')",
        "np.save(file, array)",
        "pd.read_pickle(file)",
        "frame.groupby(key).first().to_pickle(file)",
        "eval(text)",
    ],
)
def test_what_would_is_seen(line):
    assert found_in(line)
