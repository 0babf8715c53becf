"""What only a GPU does in a search: recorded steps, without a wait; the results are those of the CPU."""

import gc
import weakref

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from backward_search.conditions.batch import Conditions
from backward_search.gallery.memory import Gallery
from backward_search.model.network import Head
from backward_search.solvers.adam import Adam, backward_search
from backward_search.solvers.heads import FrozenHeads
from backward_search.solvers.manifold import Manifold, manifold_search

E, CLASSES = 64, (7, 4)
CPU, GPU = torch.device("cpu"), torch.device("cuda")
WAITS = {"cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy"}


def heads_on(device, dtype=torch.float32):
    torch.manual_seed(3)
    return FrozenHeads.of([Head(E, k).eval() for k in CLASSES], device, dtype, temperatures=[0.1, 0.1])


def asked(count, dtype=torch.float32):
    generator = torch.Generator().manual_seed(5)
    queries = torch.tanh(torch.randn(count, E, dtype=torch.float64, generator=generator)).to(dtype)
    ids = torch.stack([torch.randint(k, (count,), generator=generator) for k in CLASSES], 1)
    return queries, ids


def spread():
    half = torch.randn(E, E, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    return half @ half.T / E


SEARCHES = {
    "adam": lambda heads, queries, ids: backward_search(heads, queries, ids, Adam(1.0)),
    "all steps": lambda heads, queries, ids: backward_search(heads, queries, ids, Adam(1.0, early_stopping=False)),
    "free": lambda heads, *asked: backward_search(heads, *asked, Adam(0.0, max_itr=30, early_stopping=False)),
    "manifold": lambda heads, queries, ids: manifold_search(heads, queries, ids, spread(), Manifold(0.4, step=0.2)),
}


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("count", [1, 2, 40, 1000])
def test_in_double_precision_it_is_the_search_of_the_cpu(name, count):
    queries, ids = asked(count, torch.float64)
    here = SEARCHES[name](heads_on(CPU, torch.float64), queries, ids)
    there = SEARCHES[name](heads_on(GPU, torch.float64), queries.to(GPU), ids.to(GPU))
    assert there.embeddings.device.type == "cuda"
    assert torch.allclose(there.embeddings.cpu(), here.embeddings, atol=1e-6)
    assert torch.equal(there.steps.cpu(), here.steps)
    assert torch.equal(there.stopped.cpu(), here.stopped)


@pytest.mark.parametrize(("name", "share"), [("free", 0.99), ("all steps", 0.95), ("manifold", 0.99)])
def test_in_single_precision_it_is_within_1e_4(name, share):
    """But for queries where a distance near 0 has another sign, and which go on from there (lambda 0 has none)."""
    queries, ids = asked(1000)
    here = SEARCHES[name](heads_on(CPU), queries, ids)
    there = SEARCHES[name](heads_on(GPU), queries.to(GPU), ids.to(GPU))
    apart = (there.embeddings.cpu() - here.embeddings).abs().amax(1)
    close = apart < 1e-4
    assert close.float().mean() >= share
    assert torch.allclose(there.loss.cpu()[close], here.loss[close], atol=1e-4)


def test_losses_of_early_stopping_agree():
    queries, ids = asked(1000)
    here = SEARCHES["adam"](heads_on(CPU), queries, ids)
    there = SEARCHES["adam"](heads_on(GPU), queries.to(GPU), ids.to(GPU))
    assert (there.loss.cpu() - here.loss).abs().quantile(0.95) < 1e-3


def test_no_step_waits_for_the_gpu():
    heads = heads_on(GPU)
    queries, ids = (each.to(GPU) for each in asked(1000))
    conditions = Conditions.of_ids(ids, max(CLASSES), torch.float32)
    for name, waits in (("all steps", 0), ("adam", 100 // 5)):
        SEARCHES[name](heads, queries, conditions)
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
            SEARCHES[name](heads, queries, conditions)
        found = [event.name for event in seen.events() if event.name in WAITS]
        assert len(found) <= waits + 1, found  # the profiler waits once, at its end
        assert found.count("cudaStreamSynchronize") == 0


def test_a_recording_is_made_once_and_goes_with_its_heads(memory):
    before = memory()
    heads = heads_on(GPU)
    queries, ids = (each.to(GPU) for each in asked(900))
    SEARCHES["adam"](heads, queries, ids)
    made = dict(heads.recordings._made)
    held = memory()
    for count in (900, 800, 513):
        SEARCHES["adam"](heads, queries[:count], ids[:count])
    assert heads.recordings._made.keys() == made.keys()
    assert memory() <= held + 2**20
    gone = weakref.ref(heads)
    del heads, made, queries, ids
    gc.collect()
    assert gone() is None
    assert memory() <= before + 2**20


def test_the_nearest_are_those_of_the_cpu():
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(5000, E, generator=generator)
    queries = torch.randn(300, E, generator=generator)
    here, there = Gallery(images).search(queries, 20), Gallery(images.to(GPU)).search(queries.to(GPU), 20)
    same = here.rows == there.rows.cpu()
    assert same.float().mean() > 0.999
    assert torch.allclose(there.similarity.cpu(), here.similarity, atol=1e-4)
