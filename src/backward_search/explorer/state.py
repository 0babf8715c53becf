"""The state of the page, which a link restores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from backward_search.conditions.clause import Clause
from backward_search.errors import OptionError

METHOD = "best"
USUAL = "1"
"""In the place of a method beside the state's own: those that E2 draws."""


@dataclass(frozen=True)
class Choice:
    """What is chosen of one attribute: some labels, or, with `negated`, anything but these; no label means any."""

    labels: tuple[str, ...] = ()
    negated: bool = False

    def clause(self, labels: Sequence[str]) -> Clause:
        """The same for a search.

        Raises:
            OptionError: it names what is not among the labels, or leaves none.
        """
        unknown = [label for label in self.labels if label not in labels]
        kept = [label for label in labels if (label in self.labels) != self.negated]
        if unknown or not kept:
            raise OptionError(f"{unknown[0]!r} is not a label" if unknown else "the condition leaves no label")
        return Clause.of_set(kept, negated=self.negated)

    def text(self, attribute: str) -> str:
        """The same as `--condition` writes it."""
        return f"{attribute}{'!' if self.negated else ''}={'|'.join(self.labels)}"


@dataclass(frozen=True)
class State:
    """All that the page shows depends on this.

    Attributes:
        run: the run's name.
        query: the table row of the query.
        upload: of an image from outside, what `uploads` calls it; it is the query then.
        choices: by attribute; those of which anything will do are left out.
        method: a name of `methods.METHODS`.
        strength: of the method; None for its own.
        beside: the method that stands beside it, or `USUAL`; "" for none.
        way: whether the map and the probabilities are shown.
        gallery: the place of the first image that is shown of the gallery; None where it is closed.
        count: whether menus have the most frequent labels first.
    """

    run: str
    query: int = 0
    upload: str = ""
    choices: Mapping[str, Choice] = field(default_factory=dict)
    method: str = METHOD
    strength: float | None = None
    beside: str = ""
    way: bool = False
    gallery: int | None = None
    count: bool = False

    @property
    def condition(self) -> str:
        """What is wanted, as `--condition` writes it."""
        return "; ".join(choice.text(name) for name, choice in self.choices.items())

    def link(self) -> str:
        """The part of an address after its question mark."""
        pairs = [("run", self.run), ("query", str(self.query)), ("method", self.method)]
        pairs += [("upload", self.upload)] if self.upload else []
        pairs += [] if self.strength is None else [("strength", repr(self.strength))]
        pairs += [("beside", self.beside)] if self.beside else []
        pairs += [(name, "1") for name in ("way", "count") if getattr(self, name)]
        pairs += [] if self.gallery is None else [("gallery", str(self.gallery))]
        for name, choice in self.choices.items():
            pairs += [(f"{'not' if choice.negated else 'is'}.{name}", label) for label in choice.labels]
        return urlencode(pairs)


def from_link(pairs: Sequence[tuple[str, str]]) -> State:
    """Read a link; whether run, row and labels exist is for the engine to say.

    >>> state = State("a", 3, choices={"style": Choice(("x", "y"), negated=True)}, strength=0.25, beside="teacher")
    >>> from urllib.parse import parse_qsl
    >>> from_link(parse_qsl(state.link())) == state
    True

    Raises:
        OptionError: it is malformed.
    """
    plain = {name: value for name, value in pairs if "." not in name}
    labels: dict[str, list[str]] = {}
    negated: dict[str, bool] = {}
    for name, label in pairs:
        kind, dot, attribute = name.partition(".")
        if dot and kind in ("is", "not"):
            labels.setdefault(attribute, []).append(label)
            negated[attribute] = kind == "not"
    try:
        query = int(plain.get("query", "0"))
        strength = float(plain["strength"]) if "strength" in plain else None
        gallery = int(plain["gallery"]) if "gallery" in plain else None
    except ValueError:
        raise OptionError("the link is malformed: query, strength and gallery have to be numbers") from None
    choices = {name: Choice(tuple(names), negated[name]) for name, names in labels.items()}
    method, beside = plain.get("method", METHOD), plain.get("beside", "")
    way, count = (plain.get(name) == "1" for name in ("way", "count"))
    run, upload = plain.get("run", ""), plain.get("upload", "")
    return State(run, query, upload, choices, method, strength, beside, way, gallery, count)


def asks(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether a link says what is searched: an image, or a condition."""
    return any(name in ("query", "upload") or name.startswith(("is.", "not.")) for name, _ in pairs)
