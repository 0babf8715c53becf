"""Splits for data sets that come without one: stratified by the labels, or by groups that stay together. Seeded."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from backward_search.errors import DataError

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing")
VALIDATION_NAMES = ("val", "valid", "validation", "dev")


def given(values: Sequence[str]) -> tuple[dict[str, np.ndarray], str]:
    """A split that the data say themselves; a validation part is the test split, or joins train where there is a test.

    Args:
        values: for each row train, test or val, in any case.

    Returns:
        The rows of either split, and how it was made, for people.

    Raises:
        DataError: a value is none of these, or a split has no rows.
    """
    names = np.array([value.strip().lower() for value in values], dtype=object)
    known = (*TRAIN_NAMES, *TEST_NAMES, *VALIDATION_NAMES)
    strange = sorted(set(names.tolist()) - set(known))
    if strange:
        raise DataError(f"a split is {strange[0]!r}, expected one of {', '.join(known)} in every row")
    test, validation = np.isin(names, TEST_NAMES), np.isin(names, VALIDATION_NAMES)
    how = "as given"
    if validation.any():
        how += ", validation joins train" if test.any() else ", validation is the test split"
        test = test if test.any() else validation
    if test.all() or not test.any():
        raise DataError(f"the given split has no {'train' if test.all() else 'test'} rows: expected train and test")
    return {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}, how


def stratified(labels: Mapping[str, Sequence[str]], test_size: float, seed: int) -> tuple[dict[str, np.ndarray], str]:
    """A seeded split in which each combination of labels has its share in either part.

    Where there are too many combinations for that, each label of the first attribute has; where that is too much as
    well, it is a plain random split. An image alone with its labels goes into train.

    Args:
        labels: for each attribute the label of every row.
        test_size: share of the rows that become the test split, in (0, 1).
        seed: of the split.

    Returns:
        The rows of either split, and how it was made, for people.

    Raises:
        DataError: there is a single row.
    """
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit  # a second to import

    frame = pd.DataFrame(labels)
    total = len(frame)
    if total < 2:
        raise DataError(f"{total} images cannot be split: two are the least")
    count = min(max(round(test_size * total), 1), total - 1)
    for names in dict.fromkeys((tuple(labels), tuple(labels)[:1])):
        strata = frame.groupby(list(names), sort=True).ngroup().to_numpy()
        sizes = np.bincount(strata)
        rows = np.flatnonzero(sizes[strata] > 1)
        classes = int((sizes > 1).sum())
        if not classes <= count <= len(rows) - classes:
            continue
        splitter = StratifiedShuffleSplit(n_splits=1, test_size=count, random_state=seed)
        test = rows[next(splitter.split(rows, strata[rows]))[1]]
        alone = total - len(rows)
        how = f"stratified by {' and '.join(names)}, seed {seed}"
        return _parts(test, total), how + (f"; {alone} images are alone with their labels, in train" if alone else "")
    test = next(ShuffleSplit(n_splits=1, test_size=count, random_state=seed).split(frame))[1]
    return _parts(test, total), f"at random, seed {seed}: too few images for each class to have its share"


def grouped(groups: Sequence[str], test_size: float, seed: int) -> tuple[dict[str, np.ndarray], str]:
    """A seeded split with every group on one side; the share counts groups.

    Args:
        groups: the group of each row.
        test_size: share of the groups that become the test split, in (0, 1).
        seed: of the split.

    Returns:
        The rows of either split, and how it was made, for people.

    Raises:
        DataError: there is a single group.
    """
    from sklearn.model_selection import GroupShuffleSplit

    found = len(set(groups))
    if found < 2:
        raise DataError(f"all {len(groups)} images are of one group: two groups are the least for a split")
    count = min(max(round(test_size * found), 1), found - 1)
    splitter = GroupShuffleSplit(n_splits=1, test_size=count, random_state=seed)
    test = next(splitter.split(np.zeros(len(groups)), groups=groups))[1]
    return _parts(test, len(groups)), f"by {found} groups, seed {seed}"


def held_out(labels: Mapping[str, Sequence[str]], groups: Sequence[str] | None, share: float, seed: int) -> np.ndarray:
    """The rows of a training split that are kept from training: whole groups where there are any, else stratified.

    Args:
        labels: for each attribute the label of every row.
        groups: the group of each row, or None.
        share: of the rows, or groups, in [0, 1); 0 keeps none.
        seed: of the choice.
    """
    alone = len(set(groups)) < 2 if groups is not None else len(next(iter(labels.values()))) < 2
    if not share or alone:
        return np.empty(0, np.int64)
    split, _ = stratified(labels, share, seed) if groups is None else grouped(groups, share, seed)
    return split["test"]


def _parts(test: np.ndarray, total: int) -> dict[str, np.ndarray]:
    held_out = np.zeros(total, bool)
    held_out[test] = True
    return {"train": np.flatnonzero(~held_out), "test": np.flatnonzero(held_out)}
