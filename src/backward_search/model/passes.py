"""One pass over many images: shared by processes, kept from time to time, and gone on from after a kill."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from torch import Tensor

from backward_search.distributed import Group
from backward_search.errors import DataError
from backward_search.storage.shards import Shard, Shards

KEEP_SECONDS = 20
"""How often what is made so far is made to outlive a kill."""

Maker = Callable[[Sequence[int]], Iterator[Tensor]]
"""What makes some rows of a matrix, one after the other, in batches (n, width) on the CPU."""


def fill(shards: Shards, make: Maker, group: Group) -> None:
    """Make the rows of a matrix that are not there yet: this process those of the shards that fall to it.

    Args:
        shards: of the matrix; the leading process has claimed them.
        make: makes some rows.
        group: the processes that share the work; all of them return when all rows are there.
    """
    unfinished = group.tell(shards.unfinished() if group.leads else [])
    mine = [shards.shard(index) for index in group.share(np.array(unfinished, int)).tolist()]
    left = [row for shard in mine for row in shard.left]
    _write(mine, make(left))
    group.wait()


def _write(mine: Iterable[Shard], made: Iterator[Tensor]) -> None:
    """Write what arrives to one shard after the other, and keep it from time to time."""
    kept = time.monotonic()
    for shard in mine:
        while shard.left:
            shard.write(_finite(next(made)).numpy())
            if time.monotonic() - kept > KEEP_SECONDS:
                shard.keep()
                kept = time.monotonic()
        shard.finish()


def _finite(made: Tensor) -> Tensor:
    """What was made, if it can be searched in.

    Raises:
        DataError: some of it is no number.
    """
    if not bool(made.isfinite().all()):
        raise DataError(
            "the network makes no finite numbers of some images: its weights are no good, train it again by B1 "
            "with a smaller --lr and --overwrite True"
        )
    return made
