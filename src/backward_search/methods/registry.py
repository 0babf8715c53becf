"""The methods behind `--method`: where each moves a query, and how it ranks the gallery then."""

from dataclasses import dataclass

AUTO = "auto"
"""A strength that is chosen on training images."""
AIM = "precision=0.85"
"""What it is chosen for, and the share of that to attain, unless something else is asked for."""


@dataclass(frozen=True)
class Method:
    """How a query is answered.

    With z0 the query, z where it is moved to, and x an image, the image's score is

        (1 - likeness) cos(z, x) + likeness cos(Q (z0 - m), Q (x - m)) + weight log p(condition | x),

    Q taking the conditioned attributes' subspace out (`concept.Likeness`); those that pass a filter stand first. Where
    the method is graded, `weight` is a strength s instead: the query is moved the share s of the way, at most the whole
    of it, and s times p, the geometric mean of the probabilities of the conditions, stands for the last term. So
    s = 0 asks for likeness alone. A sum of likeness and probability, not its logarithm, is what the expected number of
    hits that meet the condition is worth against their likeness; and no image is out of reach for being improbable.

    Attributes:
        summary: in a few words.
        move: what moves the query: "search", "student", "shift" (by class means), "mean" (to that of the target class),
            or "" for nothing.
        likeness: share of the likeness outside the conditioned attributes, in [0, 1].
        weight: of the log-probability of the condition, from the image's own logits, unless an option says otherwise.
        graded: whether the weight is a strength, as above.
        filter: "predicted" or "labels": images whose predicted, or true, labels meet the condition come first.
        chance: whether hits are drawn at random.
    """

    summary: str
    move: str = ""
    likeness: float = 0.0
    weight: float | str = 0.0
    graded: bool = False
    filter: str = ""
    chance: bool = False

    @property
    def needs_background(self) -> bool:
        """Whether class means of the training embeddings, or logits or labels of the gallery, are needed."""
        return self.move in ("shift", "mean") or self.likeness > 0 or bool(self.weight or self.filter)


METHODS = {
    "random": Method("images drawn at random", chance=True),
    "unchanged": Method("the query as it is"),
    "teacher": Method("Backward Search", move="search"),
    "student": Method("the student's imitation of it", move="student"),
    "class_shift": Method("the query plus target class mean minus own class mean", move="shift"),
    "class_mean": Method("the mean of the target class", move="mean"),
    "predicted_filter": Method("images predicted to meet the condition, by similarity", filter="predicted"),
    "label_filter": Method("images labelled to meet it, by similarity: a ceiling", filter="labels"),
    "concept_null": Method("likeness apart from the condition, and its probability", likeness=1.0, weight=0.1),
    "best": Method(
        "likeness to the shifted query, likeness apart from the condition, and its probability",
        move="shift",
        likeness=0.5,
        weight=AUTO,
        graded=True,
    ),
}
