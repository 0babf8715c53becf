"""The scores of methods: of whole blocks and of single rows alike, and what they make an engine propose."""

from dataclasses import replace

import pytest
import torch
from made_heads import CLASSES, E, trained_heads

from backward_search.conditions.batch import Conditions
from backward_search.gallery.memory import CosineScorer, Gallery, recall
from backward_search.gallery.vectors import Vectors
from backward_search.library.memory import MemorySource
from backward_search.methods.asking import Ask
from backward_search.methods.assembler import Assembler
from backward_search.methods.config import AnswerConfig
from backward_search.methods.knowledge import Knowledge
from backward_search.methods.registry import METHODS
from backward_search.methods.scoring import Likelihood, WeightedSum
from backward_search.solvers.adam import Adam

NAMES, N, B = ("style", "genre"), 600, 6
RANKING = [
    "teacher",
    "class_shift",
    "concept_null",
    "shift_null",
    "basic",
    "product",
    "predicted_filter",
    "label_filter",
]
CONFIG = AnswerConfig(Adam(0.5), {"strength": 0.1})


class ByGuide:
    """Proposes the rows whose cosine with the scorer's guide is largest, as an approximate engine would like to."""

    def __init__(self, embeddings):
        self._unit = torch.nn.functional.normalize(embeddings, dim=1)

    def shortlist(self, scorer, count):
        return (scorer.guide @ self._unit.T).topk(count, dim=1).indices


def source_of(embeddings, labels, **more):
    heads = {name: head.float() for name, head in zip(NAMES, trained_heads(), strict=False)}
    classes = {name: [str(i) for i in range(k)] for name, k in zip(NAMES, CLASSES, strict=False)}
    return MemorySource(heads, classes, embeddings, truth=labels, **more)


@pytest.fixture(scope="module")
def setting():
    torch.manual_seed(0)
    embeddings = torch.tanh(torch.randn(N, E))
    blind = source_of(embeddings, {})
    labels = {name: blind.shown.logits(name).argmax(1) for name in NAMES}
    targets = torch.stack([torch.randint(k, (B,)) for k in CLASSES[:2]], dim=1)
    return Assembler(source_of(embeddings, labels)), embeddings, as_conditions(targets)


def as_conditions(targets):
    return Conditions.of_ids(targets, max(CLASSES[:2]), torch.float32)


def rich(targets):
    """A set in the first attribute of every other query, a mixture in the second, with weights of their own."""
    wanted = targets.wanted.clone()
    wanted[0, ::2, 0] = 1
    wanted[1, :, :2] += 0.5
    wanted[1] /= wanted[1].sum(1, keepdim=True)
    any_of = torch.stack([torch.arange(B) % 2 == 0, torch.zeros(B, dtype=torch.bool)])
    return Conditions(wanted, any_of, torch.tensor([[2.0] * B, [0.5] * (B - 1) + [0.0]]))


def scorer_of(assembler, method, queries, conditions):
    known, how, ask = assembler.knowledge(NAMES), METHODS[method](), Ask(queries, conditions, CONFIG)
    return how.scorer(known, ask, how.move(known, ask).embeddings)


@pytest.mark.parametrize("method", RANKING)
def test_a_row_scores_the_same_in_a_block_and_on_its_own(setting, method):
    assembler, embeddings, targets = setting
    rows = torch.stack([torch.randperm(N)[:40] for _ in range(B)])
    for conditions in (targets, rich(targets)):
        scorer = scorer_of(assembler, method, embeddings[:B], conditions)
        pairs = scorer.pairs(rows)
        whole = torch.cat([scorer.block(slice(0, 250)), scorer.block(slice(250, N))], dim=1)
        torch.testing.assert_close(pairs, whole.gather(1, rows), atol=1e-5, rtol=1e-5)
        assert torch.equal(scorer.pairs(rows[:, 7:9]), pairs[:, 7:9])


@pytest.mark.parametrize("method", ["teacher", "class_shift", "concept_null", "shift_null", "product"])
def test_an_engine_proposes_what_the_method_wants(setting, method):
    assembler, embeddings, targets = setting
    exact = assembler.answer(method, NAMES, embeddings[:B], targets, CONFIG, 10).hits
    truth = assembler.source.shown.ids
    behind = [source_of(embeddings, truth, engine=ByGuide(embeddings), shortlist=count) for count in (N, 150)]
    through = [Assembler(one).answer(method, NAMES, embeddings[:B], targets, CONFIG, 10) for one in behind]
    assert torch.equal(through[0].hits.rows, exact.rows)
    assert torch.equal(through[0].hits.similarity, exact.similarity)
    assert recall(through[1].hits.rows, exact.rows) > 0.9


def test_the_guide_of_a_condition_leads_to_its_images():
    torch.manual_seed(1)
    labels = torch.arange(N) % 4
    embeddings = torch.eye(4, E)[labels] + 0.3 * torch.randn(N, E)
    log_p = torch.where(torch.nn.functional.one_hot(labels) > 0, 0.97, 0.01).log()
    head = torch.nn.Linear(E, 4)
    source = MemorySource({"style": head}, {"style": list("abcd")}, embeddings, truth={"style": labels})
    source.keep_logits("gallery", "style", log_p)
    known = Knowledge(source, ("style",))
    wanted = Conditions.of_ids((labels[:B, None] + 1) % 4, 4, torch.float32)
    way = torch.nn.functional.normalize(known.means[0][(labels[:B] + 1) % 4], dim=1)
    likeness = CosineScorer(embeddings[:B], Vectors([embeddings]))
    scorer = WeightedSum([(1.0, likeness), (0.2, Likelihood(wanted, known.log_p, lambda: way))])
    exact = Gallery(embeddings).best(scorer, 10).rows
    assert (labels[exact] == (labels[:B, None] + 1) % 4).all()
    by_likeness, by_guide = (recall(ByGuide(embeddings).shortlist(one, 60), exact) for one in (likeness, scorer))
    assert by_likeness < 0.5
    assert by_guide > 0.8


def test_images_that_cannot_meet_a_condition_are_hits_where_nothing_else_is_left(setting):
    _, embeddings, _ = setting
    source = source_of(embeddings[:12], {})
    for name, k in zip(NAMES, CLASSES, strict=False):
        logits = torch.full((12, k), -torch.inf)
        logits[:, 0] = 0
        source.keep_logits("gallery", name, logits)
    never = Conditions(torch.nn.functional.one_hot(torch.tensor([[1], [1]]), max(CLASSES[:2])).float())
    never = replace(never, any_of=torch.ones(2, 1, dtype=torch.bool))
    config = AnswerConfig(Adam(0.5), rerank=0.1)
    hits = Assembler(source).answer("teacher", NAMES, embeddings[:1], never, config, 12).hits
    assert sorted(hits.rows[0].tolist()) == list(range(12))
    assert hits.similarity.isfinite().all()
