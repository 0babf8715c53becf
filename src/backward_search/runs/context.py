"""The context map of a run on disk."""

import logging
from dataclasses import asdict

import torch

from backward_search.context.learning import LearningConfig
from backward_search.context.network import ContextConfig, ContextMap
from backward_search.errors import DataError
from backward_search.runs.context_ground import ContextGround
from backward_search.runs.run import Run
from backward_search.storage.atomic import read_json
from backward_search.storage.manifest import refuse_changed, refuse_stale
from backward_search.storage.paths import require
from backward_search.storage.tensors import load_tensors, save_tensors

LOG = logging.getLogger(__name__)
REMEDY = "run C4.Learn-Context.py with the same options"


def load_context(run: Run, device: torch.device) -> ContextMap:
    """The context map of a run.

    Raises:
        MissingError: none has been learnt.
        StaleError: it was learnt from other embeddings.
        DataError: it is damaged.
    """
    paths = run.paths.context
    require(paths.manifest, "finished context map", REMEDY)
    require(paths.weights, "context map", f"{REMEDY} and --overwrite True")
    inputs = {"weights": run.paths.weights, "embeddings": run.paths.embeddings("train")}
    refuse_stale(paths.manifest, inputs, f"{REMEDY} and --overwrite True")
    refuse_changed(paths.manifest, [paths.weights, paths.facts], f"{REMEDY} and --overwrite True")
    try:
        shape = read_json(paths.facts)["map"]
        context = ContextMap(ContextConfig(**{**shape, "attributes": tuple(shape["attributes"])}))
        context.load_state_dict(load_tensors(paths.weights)[0])
        if context.config.attributes != run.attributes or context.config.embedding != run.model.encoding_size:
            raise ValueError("it is that of another network")
        if not all(bool(value.isfinite().all()) for value in context.state_dict().values()):
            raise ValueError("some of its weights are no finite numbers")
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        problem = f"{paths.folder} holds no context map of this run ({reason})"
        raise DataError(f"{problem}: {REMEDY} and --overwrite True") from None
    return context.to(device).eval()


@torch.inference_mode(False)
@torch.enable_grad()
def learnt_now(run: Run, device: torch.device) -> ContextMap:
    """The context map that C4 learns by its usual settings, learnt now and written nowhere.

    Raises:
        MissingError: C1 has not run on the training split.
    """
    config = LearningConfig()
    learner = ContextGround.of(run, device, config.seed).learner(config)
    LOG.info("learning the context map of %s: C4.Learn-Context.py would keep it", run.name.dataset_name)
    return learner.finish()


def save_context(run: Run, context: ContextMap) -> dict[str, object]:
    """Write the weights of a map; its shape, for `facts`."""
    save_tensors(run.paths.context.weights, context.state_dict())
    shape = asdict(context.config)
    return {**shape, "attributes": list(context.config.attributes)}
