"""A Milvus collection: in a file of the embedded Milvus Lite, or on a cluster; only the address differs."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backward_search.errors import DataError
from backward_search.extras import need
from backward_search.gallery.engines.index import (
    BuildSettings,
    EngineKind,
    EngineSettings,
    Fields,
    FieldsOf,
    Place,
    Segment,
    unit_blocks,
)
from backward_search.gallery.memory import Engine, Scorer
from backward_search.gallery.vectors import Vectors

ROWS_PER_REQUEST = 1000
QUERIES_PER_REQUEST = 100
MOST_HITS = 16384
"""What Milvus admits as the limit of a search."""
WAIT = 300.0
"""Seconds after which a call that Milvus does not answer is an error."""
TOKEN = "MILVUS_TOKEN"
"""The environment variable that holds the token of a cluster that asks for one."""


def label_field(attribute: str) -> str:
    """The field that holds an attribute's label.

    >>> label_field("bill shape")
    'label_bill_shape'
    """
    return "label_" + re.sub(r"\W", "_", attribute, flags=re.ASCII)


def probability_field(attribute: str) -> str:
    """The field that holds an attribute's class probabilities, in class order."""
    return "p_" + re.sub(r"\W", "_", attribute, flags=re.ASCII)


def has_label(attribute: str, label: str) -> str:
    """The filter of the images that carry a label.

    >>> has_label("style", "Rococo")
    'label_style == "Rococo"'
    """
    escaped = label.replace("\\", "\\\\").replace('"', '\\"')
    return f'{label_field(attribute)} == "{escaped}"'


def is_probable(attribute: str, class_id: int, least: float) -> str:
    """The filter of the images that the head gives at least this probability of a class.

    >>> is_probable("style", 22, 0.5)
    'p_style[22] >= 0.5'
    """
    return f"{probability_field(attribute)}[{class_id}] >= {least}"


class MilvusIndex:
    """A collection with one entity per image; its primary key is the image's row."""

    def __init__(self, uri: str, collection: str, classes: dict[str, list[str]], settings: BuildSettings) -> None:
        """Name a collection.

        Args:
            uri: a file ending in `.db`, or the address of a cluster such as `http://host:19530`.
            collection: its name.
            classes: the labels of every attribute.
            settings: how its HNSW graph is built.

        Raises:
            MissingError: the client is not installed.
        """
        need("pymilvus", "milvus")
        if "://" not in uri:
            need("milvus_lite", "milvus")
        self._uri, self._name, self._classes, self._settings = uri, collection, classes, settings
        self._opened: Any = None

    def build(self, vectors: Vectors, fields: FieldsOf) -> None:
        """Create the collection anew and fill it."""
        with _readable(self._uri):
            self._client().drop_collection(self._name, timeout=WAIT)
            self._create(vectors.size)
        self.add(Segment(0, len(vectors)), vectors, fields)

    def add(self, segment: Segment, vectors: Vectors, fields: FieldsOf) -> None:
        """Insert further rows."""
        with _readable(self._uri):
            client = self._client()
            client.delete(self._name, filter=f"row >= {segment.first}", timeout=WAIT)
            for rows, block in unit_blocks(vectors, slice(segment.first, segment.first + segment.count)):
                for start in range(0, len(block), ROWS_PER_REQUEST):
                    part = slice(rows.start + start, min(rows.start + start + ROWS_PER_REQUEST, rows.stop))
                    entities = _entities(part, block[start : start + ROWS_PER_REQUEST], fields(part))
                    client.insert(self._name, entities, timeout=WAIT)
            client.flush(self._name, timeout=WAIT)

    def drop(self, rows: list[int]) -> None:
        """Delete rows."""
        with _readable(self._uri):
            self._client().delete(self._name, ids=rows, timeout=WAIT)

    def open(self, segments: list[Segment], allowed: np.ndarray | None, settings: EngineSettings) -> Engine:
        """Load the collection."""
        with _readable(self._uri):
            self._client().load_collection(self._name, timeout=WAIT)
        total = max(segment.first + segment.count for segment in segments)
        return MilvusEngine(self._client(), self._uri, self._name, total, allowed, settings)

    def discard(self) -> None:
        """Drop the collection."""
        with _readable(self._uri):
            self._client().drop_collection(self._name, timeout=WAIT)
        self.close()
        if "://" not in self._uri:
            release(self._uri)

    def close(self) -> None:
        """Close the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _client(self) -> Any:
        from pymilvus import MilvusClient

        if self._opened is None:
            if "://" not in self._uri:  # it logs tracebacks of what it then answers properly
                for name in ("milvus_lite", "grpc._server"):
                    logging.getLogger(name).setLevel(logging.CRITICAL)
                os.environ.setdefault("GRPC_VERBOSITY", "NONE")
            self._opened = MilvusClient(self._uri, token=os.environ.get(TOKEN, ""), timeout=WAIT)
        return self._opened

    def _create(self, size: int) -> None:
        from pymilvus import DataType

        client = self._client()
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=size)
        schema.add_field("key", DataType.VARCHAR, max_length=4096)
        for attribute, labels in self._classes.items():
            schema.add_field(label_field(attribute), DataType.VARCHAR, max_length=1024)
            schema.add_field(
                probability_field(attribute), DataType.ARRAY, element_type=DataType.FLOAT, max_capacity=len(labels)
            )
        index = client.prepare_index_params()
        graph = {"M": self._settings.hnsw_m, "efConstruction": self._settings.hnsw_ef_construction}
        index.add_index("vector", index_type="HNSW", metric_type="COSINE", params=graph)
        client.create_collection(
            self._name, schema=schema, index_params=index, consistency_level="Strong", timeout=WAIT
        )


class MilvusEngine:
    """Searches a loaded collection."""

    def __init__(
        self, client: Any, uri: str, name: str, total: int, allowed: np.ndarray | None, settings: EngineSettings
    ) -> None:
        """Search the rows below `total` that are allowed, or all of them."""
        self._client, self._uri, self._name = client, uri, name
        self._total, self._allowed, self._settings = total, allowed, settings
        self._condition = f"row < {total}"

    def where(self, condition: str) -> "MilvusEngine":
        """The same, proposing only rows that meet a filter: `has_label`, `is_probable`, joined by `and` and `or`."""
        narrowed = copy(self)
        narrowed._condition = f"{self._condition} and ({condition})"
        return narrowed

    def shortlist(self, scorer: Scorer, count: int) -> Tensor:
        """Propose the rows whose cosine with the scorer's guide is largest."""
        queries = scorer.guide.cpu().numpy()
        with _readable(self._uri):
            parts = [
                self._search(queries[start : start + QUERIES_PER_REQUEST], count)
                for start in range(0, len(queries), QUERIES_PER_REQUEST)
            ]
        return torch.from_numpy(np.concatenate(parts))

    def _search(self, queries: np.ndarray, count: int) -> np.ndarray:
        found = self._client.search(
            self._name,
            data=list(queries),
            anns_field="vector",
            limit=min(count, MOST_HITS),
            filter=self._condition,
            output_fields=[],
            timeout=WAIT,
            search_params={"metric_type": "COSINE", "params": {"ef": max(self._settings.ef_search, count)}},
        )
        rows = np.full((len(queries), count), -1)
        for line, hits in enumerate(found):
            rows[line, : len(hits)] = [hit["row"] for hit in hits]
        return rows if self._allowed is None else np.where(self._allowed[rows], rows, -1)


def _entities(rows: slice, block: np.ndarray, fields: Fields) -> list[dict[str, Any]]:
    entities: list[dict[str, Any]] = [
        {"row": row, "vector": vector, "key": key}
        for row, vector, key in zip(range(rows.start, rows.stop), block, fields.keys, strict=True)
    ]
    for attribute, labels in fields.labels.items():
        probabilities = fields.probabilities[attribute].tolist()
        for entity, label, values in zip(entities, labels, probabilities, strict=True):
            entity |= {label_field(attribute): label, probability_field(attribute): values}
    return entities


def release(file: str) -> None:
    """Let another process use a file of Milvus Lite, which otherwise belongs to this one until it ends."""
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(file)


@contextmanager
def _readable(uri: str) -> Iterator[None]:
    """Turn what the client raises into one line."""
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        further = "" if "://" in uri else " (a file of Milvus Lite serves one process at a time)"
        raise DataError(f"Milvus at {uri} refuses: {error.message}{further}") from None


def _at(place: Place) -> MilvusIndex:
    """The collection of a place: named after run, gallery and generation."""
    folder = place.folder
    name = "_".join((folder.parents[2].name, folder.parent.name, folder.name))
    uri = place.address or str(folder / "milvus.db")
    return MilvusIndex(uri, "g_" + re.sub(r"\W", "_", name, flags=re.ASCII)[-250:], place.classes, place.settings)


MILVUS = EngineKind("milvus", _at, ("hnsw_m", "hnsw_ef_construction", "milvus_uri"), {"ef_search": "ef"})
