"""A task on disk: conditioned attributes, queries and gallery of one run, put together for the methods."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from backward_search.cli import AnswerOptions, TaskOptions
from backward_search.conditions.batch import Conditions
from backward_search.conditions.language import Wanted, parse_condition, parse_value
from backward_search.conditions.wishes import Wishes
from backward_search.data.prepared import load_tags
from backward_search.data.query_generation import Query
from backward_search.data.registry import EmptyTags
from backward_search.data.tables import Table, Tags
from backward_search.errors import DataError, OptionError
from backward_search.gallery.memory import Gallery
from backward_search.methods.answers import Answerer
from backward_search.methods.registry import AUTO, METHODS
from backward_search.runs.knowledge import Knowledge
from backward_search.runs.movers import frozen_heads, load_student, search_config, teacher_heads
from backward_search.runs.run import Run, find_device
from backward_search.runs.run_gallery import split_engine
from backward_search.storage.atomic import read_json
from backward_search.storage.manifest import refuse_stale
from backward_search.storage.paths import require


@dataclass(frozen=True)
class Task:
    """The queries and the gallery of one task.

    Attributes:
        conditioned: the conditioned attributes.
        table: the split that queries and gallery come from.
        tags: the data set's tags.
        queries: in the order of the query file.
        rows: the table row of each query, (B,); -1 for an image that is not in the table.
        wishes: what each query wants.
        lambdas: a lambda for each query (B,), where the query file gives them.
        gallery_rows: the table row of each gallery image, (N,).
        embeddings: of the whole table.
        device: where the methods run.
    """

    conditioned: tuple[str, ...]
    table: Table
    tags: Tags
    queries: list[Query]
    rows: np.ndarray
    wishes: Wishes
    lambdas: Tensor | None
    gallery_rows: np.ndarray
    embeddings: Tensor
    device: torch.device

    @classmethod
    def load(
        cls, run: Run, options: AnswerOptions, split: str, *, strict: bool = False, omit_tagless: bool = True
    ) -> "Task":
        """Put a task together whose queries are in its query file.

        Raises:
            MissingError: an earlier stage has not run.
            DataError: the query file names images or labels that the table does not have.
        """
        queries, lambdas = _load_queries(options, split, strict, run.left_out(split))
        task = cls.of(run, options, split, queries, lambdas, omit_tagless=omit_tagless)
        if (task.rows < 0).any():
            unknown = queries[int(np.flatnonzero(task.rows < 0)[0])].candidate
            file = options.data.queries(options.conditioned, split, strict=strict)
            raise DataError(f"{file} names {unknown!r}, unknown to {split}: run A2 with --overwrite True")
        return task

    @classmethod
    def of(
        cls,
        run: Run,
        options: AnswerOptions,
        split: str,
        queries: Sequence[Query],
        lambdas: Sequence[float] | None = None,
        *,
        omit_tagless: bool = True,
    ) -> "Task":
        """Put a task together.

        Raises:
            MissingError: an earlier stage has not run.
            DataError: a query wants a label that the table does not have.
        """
        table, tags = run.load_table(options, split), load_tags(options.data)
        device = find_device(options.device)
        row_of = {key: row for row, key in enumerate(table.keys)}
        rows = np.array([row_of.get(query.candidate, -1) for query in queries])
        wanted = _wanted(options, queries, table)
        conditioned = tuple(wanted[0])
        wishes = Wishes.of(wanted, {name: table.classes[name] for name in conditioned})
        tagged = np.array([bool(tags.query_tags.get(key)) for key in table.keys])
        if not omit_tagless or not tagged.any():  # a split without any tag loses no image
            tagged[:] = True
        embeddings = torch.tensor(run.load_embeddings(split, table.keys), device=device)
        gallery = np.flatnonzero(tagged)
        strengths = None if lambdas is None else torch.tensor(lambdas, device=device)
        return cls(conditioned, table, tags, list(queries), rows, wishes, strengths, gallery, embeddings, device)

    def gallery(self, run: Run, options: AnswerOptions) -> Gallery:
        """The gallery images, behind the engine that the options name.

        Raises:
            MissingError: its index has not been built, or its package is not installed.
            StaleError: the index is that of other embeddings, or of other images.
        """
        embeddings = self.embeddings[torch.from_numpy(self.gallery_rows).to(self.device)]
        return Gallery(embeddings, split_engine(run, options, self.gallery_rows), options.shortlist)

    def answerers(
        self, run: Run, options: AnswerOptions, methods: Sequence[str], gallery: Gallery | None = None
    ) -> dict[str, Answerer]:
        """What answers the queries of this task, by each of some methods.

        Args:
            run: the trained model.
            options: how the methods answer.
            methods: their names.
            gallery: that of `gallery`, where it is open already.
        """
        with_student = any(METHODS[name].move == "student" for name in methods)
        if with_student and self.conditioned != options.conditioned:
            known, asked = "+".join(options.conditioned), "+".join(self.conditioned)
            raise OptionError(
                f"the student was trained on {known}, and --condition names {asked}: use --method teacher"
            )
        manifold = options.inverse_solver == "manifold" and any(METHODS[name].move == "search" for name in methods)
        if manifold and self.lambdas is not None:
            raise OptionError("the query file gives lambdas, which --inverse_solver manifold has not: pass adam")
        student = load_student(run, options, self.device) if with_student else None
        if student and self.lambdas is not None and options.student_lambdas is not None:
            _check_range(options, self.lambdas)
        heads = frozen_heads(run, self.conditioned, self.device)
        rows = torch.from_numpy(self.gallery_rows).to(self.device)
        gallery = self.gallery(run, options) if gallery is None else gallery
        common = Answerer(gallery, heads, search_config(options), student, None, options.batch_size, options.shift)
        weights = {name: options.weight_of(name) for name in methods}
        if not (manifold or options.rerank or any(METHODS[name].needs_background for name in methods)):
            return {name: replace(common, seed=options.seed) for name in methods}
        knowledge = Knowledge(run, options, self.conditioned, self.device)
        chosen = {
            name: knowledge.weight(name, heads, options) if weight == AUTO else float(weight)
            for name, weight in weights.items()
        }
        background = knowledge.background(self.table, rows, gallery.vectors.block(slice(0, len(gallery))))
        common = replace(common, background=background, seed=options.seed, rerank=options.rerank)
        if manifold:
            searched = teacher_heads(run, options, self.conditioned, self.device)
            common = replace(common, spread=knowledge.spread(), searched_heads=searched)
        return {name: replace(common, weight=chosen[name]) for name in methods}

    def query_embeddings(self) -> Tensor:
        """The queries' embeddings (B, E)."""
        return self.embeddings[torch.from_numpy(self.rows)]

    def targets(self, method: str) -> Tensor | Conditions:
        """What a method takes: class ids (B, A) where they say it all, and the student knows nothing else."""
        if self.wishes.plain or method == "student":
            return self.wishes.targets().to(self.device)
        return self.wishes.conditions().to(self.device, self.embeddings.dtype)

    def worth(self) -> np.ndarray:
        """What each gallery image is worth to each query, (B, N) in 0..1."""
        return self.wishes.worth([self.table.ids[name][self.gallery_rows] for name in self.conditioned])

    def meets(self) -> np.ndarray:
        """Which gallery images meet each query's whole condition, (B, N) bool."""
        return np.asarray(self.worth() > 0)

    def met_before(self) -> np.ndarray:
        """Which queries meet their own condition as they are, (B,) bool."""
        worth = self.wishes.worth([self.table.ids[name][self.rows] for name in self.conditioned])
        return np.asarray(worth.diagonal() > 0)

    def same_thing(self) -> np.ndarray | None:
        """Which gallery images show what each query shows, (B, N) bool; None where the data set has no groups."""
        if not self.tags.groups:
            return None
        _, groups = np.unique([self.tags.groups[key] for key in self.table.keys], return_inverse=True)
        return np.asarray(groups[self.rows][:, None] == groups[self.gallery_rows][None])

    def query_tags(self, query: Query) -> set[str]:
        """A query's tags as the metrics take them: the stored string as it stands, or those of its image."""
        if self.table.entry.empty_tags is EmptyTags.OF_THE_QUERY:
            return set(query.candidate_tags.split(","))
        return {tag for tag in self.tags.tags.get(query.candidate, "").split(",") if tag}

    def gallery_tags(self) -> list[set[str]]:
        """The tags of every gallery image."""
        keys = self.table.keys
        return [{tag for tag in self.tags.tags.get(keys[row], "").split(",") if tag} for row in self.gallery_rows]


def _check_range(options: TaskOptions, lambdas: Tensor) -> None:
    low, high = options.student_lambdas or (0.0, 0.0)
    outside = lambdas[(lambdas < low) | (lambdas > high)]
    if len(outside):
        raise OptionError(
            f"the query file gives the lambda {outside[0]:g}, outside --student_lambda_range "
            f"{options.student_lambda_range}"
        )


def _wanted(options: AnswerOptions, queries: Sequence[Query], table: Table) -> list[dict[str, Wanted]]:
    """What each query wants: --condition, or what the query file says, whose values may be any of `wanted`'s."""
    if options.condition:
        classes = {name: table.classes[name] for name in options.attributes}
        wanted = parse_condition(options.condition, classes)
        order = dict.fromkeys((*options.conditioned, *options.attributes))  # whichever the clauses have
        return [{name: wanted[name] for name in order if name in wanted}] * len(queries)
    try:
        return [
            {name: parse_value(query.condition[name], table.classes[name]) for name in options.conditioned}
            for query in queries
        ]
    except (KeyError, OptionError) as error:
        raise DataError(
            f"a query of {options.dataset_name} wants a class that the table does not have: {error}"
        ) from None


def _load_queries(
    options: TaskOptions, split: str, strict: bool, left_out: Set[str]
) -> tuple[list[Query], list[float] | None]:
    """The queries on images that have embeddings, and their own lambdas if they have any: "lambda" in an entry."""
    file = options.data.queries(options.conditioned, split, strict=strict)
    what = f"queries for {options.dataset_name} {'+'.join(options.conditioned)}"
    further = ("" if split == "test" else f" --split {split}") + (" --protocol strict" if strict else "")
    require(file, what, f"run A2.Query-Generating.py --dataset_name {options.dataset_name}{further}")
    again = f"run A2.Query-Generating.py --dataset_name {options.dataset_name}{further} --overwrite True"
    manifest = options.data.manifest(file.stem)
    if manifest.exists():  # queries of the authors' bundle have none
        inputs = {"table": options.data.table(split), "classes": options.data.classes, "tags": options.data.tags}
        refuse_stale(manifest, inputs, again)
    content = read_json(file)
    try:
        same = (content["dataset"], content["attributes"]) == (options.dataset_name, list(options.conditioned))
        entries = [query for query in content["queries"] if query["candidate"] not in left_out]
        lambdas = [query.pop("lambda", options.inverse_lambda) for query in entries]
        stored = [Query(**query) for query in entries]
        strengths = [float(value) for value in lambdas]
        for query in stored:
            if not all(isinstance(label, str) for label in query.condition.values()):
                raise TypeError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError(f"{file} is not a query file: {again}") from None
    if not same or not stored:
        raise DataError(f"{file} holds {'queries of another task' if stored else 'no queries'}: {again}")
    return stored, None if set(lambdas) == {options.inverse_lambda} else strengths


def check_topk(k: int, gallery: int) -> None:
    """Refuse more hits than there are images.

    Raises:
        OptionError: `k` is larger than the gallery.
    """
    if k > gallery:
        raise OptionError(f"--search_topk {k} is more than the {gallery} images of the gallery")
