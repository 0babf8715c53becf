"""The measures of a ranking; each takes the top k of B queries and gives one value per query."""

from collections.abc import Collection, Sequence

import numpy as np


def precision(relevant: np.ndarray) -> np.ndarray:
    """Precision@k, whose mean the paper calls mAP@k: the share of the k hits that are relevant.

    Args:
        relevant: whether each hit meets the whole condition, (B, k) bool.

    >>> precision(np.array([[True, False, True, False]]))
    array([0.5])
    """
    return np.asarray(relevant.mean(axis=1))


def average_precision(relevant: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Rank-aware AP@k: the mean of precision@i over the ranks i of relevant hits, of min(k, relevant in the gallery).

    Args:
        relevant: (B, k) bool, best first.
        total: relevant images in the gallery per query, (B,). Where there is none the value is 0.

    >>> average_precision(np.array([[True, False, True]]), np.array([2]))
    array([0.83333333])
    """
    k = relevant.shape[1]
    at_rank = relevant.cumsum(axis=1) / np.arange(1, k + 1)
    return np.asarray((at_rank * relevant).sum(axis=1) / np.minimum(total, k).clip(1))


def tag_similarity(query: Collection[str], hits: Sequence[Collection[str]]) -> float:
    """The mean Jaccard overlap |T_q and T_r| / |T_q or T_r| of a query's tags with its hits' (docs/method.md, 3).

    Two empty sets have the overlap 0.

    >>> tag_similarity({"a", "b"}, [{"a"}, {"c"}])
    0.25
    """
    wanted = set(query)
    overlaps = [len(wanted & set(tags)) / max(len(wanted | set(tags)), 1) for tags in hits]
    return sum(overlaps) / len(overlaps)


def tag_similarities(
    queries: Sequence[Collection[str]], gallery: Sequence[Collection[str]], hits: np.ndarray
) -> np.ndarray:
    """TS@k, whose mean over queries is mTS@k: the mean tag overlap of each query with its hits, (B,) in [0, 1].

    Args:
        queries: the tags of each query.
        gallery: the tags of each gallery image.
        hits: gallery rows (B, k).

    >>> tag_similarities([{"a", "b"}], [{"a"}, {"c"}], np.array([[1, 0]]))
    array([0.25])
    """
    found = zip(queries, hits.tolist(), strict=True)
    return np.array([tag_similarity(tags, [gallery[row] for row in rows]) for tags, rows in found])
