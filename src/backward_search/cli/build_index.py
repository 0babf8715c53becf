"""The options of C2."""

from dataclasses import dataclass

from backward_search.cli import about, answering_groups, groups
from backward_search.cli.definition import not_negative, option, positive, require


@dataclass(frozen=True)
class IndexOptions(
    groups.RunOptions,
    groups.ModelOptions,
    groups.WeightOptions,
    groups.DeviceOptions,
    groups.DatasetOptions,
    groups.PlaceOptions,
):
    """How a gallery's index is built."""

    engine: str = option(
        "what the index is for; exact needs none, and begins the gallery alone",
        choices=answering_groups.engine_names,
        usual=True,
    )
    split: str = option("the split whose images the gallery begins with", "test", choices=groups.SPLITS, usual=True)
    hnsw_m: int = option("links of an image in an HNSW graph (faiss-hnsw, milvus)", 32)
    hnsw_ef_construction: int = option("candidates looked at for those links", 80)
    ivf_lists: int = option("cells of the inverted file (faiss-ivfpq); 0 takes about 2 sqrt(N)", 0)
    pq_bytes: int = option("bytes an image is compressed to (faiss-ivfpq)", 32)
    milvus_uri: str = option("address of a Milvus cluster, such as http://host:19530 (default: a file beside)", "")

    @property
    def about(self) -> str:
        """What is about to be done."""
        count = about.images(self.data, [self.split], "images")
        what = "Begin the gallery" if self.engine == answering_groups.EXACT else f"Build the index {self.engine}"
        return about.listed(f"{what} of {self.dataset_name}: the {self.split} split", count)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        require(self.hnsw_m > 1, f"--hnsw_m {self.hnsw_m} must be at least 2")
        positive(self, "hnsw_ef_construction", "pq_bytes")
        not_negative(self, "ivf_lists")
        require(
            not self.milvus_uri or "://" in self.milvus_uri,
            f"--milvus_uri {self.milvus_uri} is no address: write http://host:19530, or leave it out for a file",
        )
