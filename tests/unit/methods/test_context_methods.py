"""The methods that rank by a context map, against the formulas of docs/method.md, 6."""

import pytest
import torch
from made_heads import CLASSES, E, trained_heads

from backward_search.conditions.batch import Conditions
from backward_search.context.network import ContextConfig, ContextMap
from backward_search.library.memory import MemorySource
from backward_search.methods import context_likeness
from backward_search.methods.asking import Ask
from backward_search.methods.assembler import Assembler
from backward_search.methods.config import AnswerConfig
from backward_search.methods.context_likeness import ContextLikeness
from backward_search.methods.registry import METHODS
from backward_search.solvers.adam import Adam

NAMES, N, B = ("style", "genre"), 300, 6
HEADS = {name: head.float() for name, head in zip(NAMES, trained_heads(), strict=False)}
LABELS = {name: [str(i) for i in range(k)] for name, k in zip(NAMES, CLASSES, strict=False)}


def made_map():
    torch.manual_seed(3)
    context = ContextMap(ContextConfig(E, NAMES, 8, 32)).requires_grad_(False)
    context.mean.normal_(std=0.3)
    context.scale.uniform_(0.5, 2)
    return context.eval()


@pytest.fixture(scope="module")
def setting():
    torch.manual_seed(0)
    embeddings = torch.tanh(torch.randn(N, E))
    ids = {name: torch.arange(N) % len(labels) for name, labels in LABELS.items()}
    ids["style"] = (embeddings[:, 0] + 1).mul(2.5).long().clamp(max=CLASSES[0] - 1)
    targets = torch.stack([torch.randint(k, (B,)) for k in CLASSES[:2]], dim=1)
    assembler = Assembler(MemorySource(HEADS, LABELS, embeddings, truth=ids, context=made_map()))
    return assembler, embeddings, ids, targets


def scorer_of(setting, method, names, **knobs):
    assembler, embeddings, _, targets = setting
    wanted = targets[:, [NAMES.index(name) for name in names]]
    conditions = Conditions.of_ids(wanted, max(len(LABELS[name]) for name in names), torch.float32)
    known, how = assembler.knowledge(names), METHODS[method]()
    ask = Ask(embeddings[:B], conditions, AnswerConfig(Adam(0.5), knobs))
    with torch.no_grad():
        moved = how.move(known, ask)
        return how.scorer(known, ask, moved.embeddings), moved.embeddings


def written_out(setting, method, names, strength, shift=1.0):
    """The scores (B, N) by the formulas, one query and one image at a time."""
    _, embeddings, ids, targets = setting
    context, scores = made_map(), torch.zeros(B, N)
    c = torch.tensor([float(name in names) for name in NAMES])
    w, b = context.first.weight, context.first.bias

    def f(z):
        hidden = torch.relu(w @ ((z - context.mean) / context.scale) + context.of_conditions.weight @ c + b)
        found = context.last.weight @ hidden + context.last.bias
        return found / found.norm()

    vectors = [f(x) for x in embeddings]
    chances = {name: HEADS[name](embeddings).softmax(1) for name in names}
    for q in range(B):
        z = embeddings[q].clone()
        for name in names:
            target = int(targets[q, NAMES.index(name)])
            means = [embeddings[ids[name] == k].mean(0) for k in range(len(LABELS[name]))]
            own = sum(p * mean for p, mean in zip(chances[name][q], means, strict=True))
            z = z + min(strength, 1) * shift * (means[target] - own)
        for x in range(N):
            product = 1.0
            for name in names:
                product = product * chances[name][x, int(targets[q, NAMES.index(name)])]
            score = vectors[q] @ vectors[x]
            if method == "best":
                score = 0.7 * score + 0.3 * torch.cosine_similarity(z, embeddings[x], dim=0)
            scores[q, x] = score + strength * product ** (1 / len(names))
    return scores


@pytest.mark.parametrize("names", [("style",), ("genre",), NAMES], ids="+".join)
@pytest.mark.parametrize(("method", "strength"), [("context", 0.4), ("best", 0.4), ("best", 1.5), ("context", 0.0)])
@torch.no_grad()
def test_scores_are_those_of_the_formula(setting, method, strength, names):
    scorer, _ = scorer_of(setting, method, names, strength=strength)
    expected = written_out(setting, method, names, strength)
    torch.testing.assert_close(scorer.block(slice(0, N)), expected, atol=2e-5, rtol=1e-5)


@torch.no_grad()
def test_the_shift_is_a_setting_of_best(setting):
    scorer, moved = scorer_of(setting, "best", NAMES, strength=0.8, shift=0.5)
    expected = written_out(setting, "best", NAMES, 0.8, 0.5)
    torch.testing.assert_close(scorer.block(slice(0, N)), expected, atol=2e-5, rtol=1e-5)
    assert not torch.allclose(moved, setting[1][:B])


@pytest.mark.parametrize("method", ["context", "best"])
@pytest.mark.parametrize("strength", [0.0, 0.4])
@torch.no_grad()
def test_a_row_scores_the_same_in_a_block_and_on_its_own(setting, method, strength):
    scorer, _ = scorer_of(setting, method, NAMES, strength=strength)
    rows = torch.stack([torch.randperm(N, generator=torch.Generator().manual_seed(q))[:40] for q in range(B)])
    whole = torch.cat([scorer.block(slice(0, 130)), scorer.block(slice(130, N))], dim=1)
    pairs = scorer.pairs(rows)
    torch.testing.assert_close(pairs, whole.gather(1, rows), atol=1e-5, rtol=1e-5)
    assert torch.equal(scorer.pairs(rows[:, 7:9]), pairs[:, 7:9])
    assert scorer.guide.shape == (B, E)


@torch.no_grad()
def test_a_gallery_goes_through_the_map_in_blocks(setting, monkeypatch):
    _, embeddings, _, _ = setting
    whole = ContextLikeness(made_map(), embeddings, ["genre"]).of(embeddings[:B]).block(slice(0, N))
    monkeypatch.setattr(context_likeness, "BLOCK", 7)
    blocks = ContextLikeness(made_map(), embeddings, ["genre"]).of(embeddings[:B]).block(slice(0, N))
    torch.testing.assert_close(blocks, whole, atol=1e-6, rtol=0)
    assert whole.argmax(1).tolist() == list(range(B))


@pytest.mark.parametrize("method", ["context", "best"])
def test_a_strength_of_0_keeps_the_query_where_it_is(setting, method):
    scorer, moved = scorer_of(setting, method, NAMES, strength=0.0)
    assert torch.equal(moved, setting[1][:B])
    assert scorer.block(slice(0, N)).argmax(1).tolist() == list(range(B))


class ByGuide:
    """Proposes the rows whose cosine with the scorer's guide is largest."""

    def __init__(self, embeddings):
        self._unit = torch.nn.functional.normalize(embeddings, dim=1)

    def shortlist(self, scorer, count):
        return (scorer.guide @ self._unit.T).topk(count, dim=1).indices


@pytest.mark.parametrize("method", ["context", "best"])
def test_an_engine_that_knows_the_embeddings_alone_proposes_better_than_chance(setting, method):
    assembler, embeddings, ids, targets = setting
    conditions = Conditions.of_ids(targets, max(CLASSES[:2]), torch.float32)
    config = AnswerConfig(Adam(0.5), {"strength": 0.1})
    exact = assembler.answer(method, NAMES, embeddings[:B], conditions, config, 10).hits
    found = {}
    for count in (N, 60):
        behind = MemorySource(
            HEADS,
            LABELS,
            embeddings,
            truth=ids,
            context=made_map(),
            engine=ByGuide(embeddings),
            shortlist=count,
        )
        found[count] = Assembler(behind).answer(method, NAMES, embeddings[:B], conditions, config, 10).hits
    assert torch.equal(found[N].rows, exact.rows)
    assert torch.equal(found[N].similarity, exact.similarity)
    shares = [len(set(a) & set(b)) / 10 for a, b in zip(found[60].rows.tolist(), exact.rows.tolist(), strict=True)]
    assert sum(shares) / B > 0.5  # a fifth of the gallery
