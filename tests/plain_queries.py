"""The published query generation read as it is written, with the two global generators (docs/method.md, 4)."""

import random

import numpy as np


def similarities(keys, tags, row, candidates, stripped):
    """The tag similarity of a query to each candidate; 0 where that is tagless."""
    query = set(tags.query_tags[keys[row]].split(","))
    found = []
    for i in candidates:
        text = tags.query_tags[keys[i]]
        other = set((text.strip(",") if stripped else text).split(","))
        found.append(len(query & other) / len(query | other) if text else 0)
    return found


def plain_queries(table, tags, names, count, stripped, strict=False):
    """The first queries, as an image's key and the ids that it wants; there have to be that many.

    Of a set without tags no image is left out, and any ten candidates will do.
    """
    random.seed(1234)
    np.random.seed(777)
    keys, index = table.keys, np.arange(len(table))
    group = [tuple(int(table.ids[name][i]) for name in names) for i in index]
    weights = np.array([1 / group.count(g) / len(set(group)) for g in group])
    pairs = {name: [(label, i) for i, label in enumerate(table.classes[name])] for name in names}
    if table.entry.discard_first_draw:
        np.random.choice(index, 1, p=weights)
    tagged, kept = any(tags.query_tags.get(key, "") for key in keys), []
    while len(kept) < count:
        row = np.random.choice(index, 1, p=weights)[0]
        while tagged and tags.query_tags[keys[row]] == "":
            row = np.random.choice(index, 1, p=weights)[0]
        for name in names:
            np.random.shuffle(pairs[name])
        drawn = [random.choice(pairs[name]) for name in names]
        wanted = tuple(i for _, i in drawn)
        candidates = [i for i in index if i != row and group[i] == wanted]
        repeats = strict and any(i == own for i, own in zip(wanted, group[row], strict=True))
        similarity = [0.0] if not tagged else similarities(keys, tags, row, candidates, stripped)
        if repeats or len(candidates) < 10 or not any(value < 0.1 for value in similarity):
            continue
        if (keys[row], wanted) not in kept:
            kept.append((keys[row], wanted))
        random.choice([row])
    return kept


def plain_possible(table, tags, names, stripped, strict=False):
    """Every query that can be drawn: an image's key and the ids that it wants."""
    keys, found = table.keys, set()
    own = [tuple(int(table.ids[name][i]) for name in names) for i in range(len(keys))]
    tagged = any(tags.query_tags.get(key, "") for key in keys)
    for row, key in enumerate(keys):
        for wanted in set(own):
            others = [i for i in range(len(keys)) if i != row and own[i] == wanted]
            repeats = strict and any(i == mine for i, mine in zip(wanted, own[row], strict=True))
            if len(others) < 10 or repeats or (tagged and not tags.query_tags[key]):
                continue
            if not tagged or any(value < 0.1 for value in similarities(keys, tags, row, others, stripped)):
                found.add((key, wanted))
    return found
