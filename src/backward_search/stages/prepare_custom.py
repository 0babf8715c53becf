"""A1 of the user's own images or vectors."""

from pathlib import Path

from backward_search.cli import CustomOptions, PhotoOptions
from backward_search.data import registry
from backward_search.data.class_vectors import named_files
from backward_search.readers.custom import source as custom
from backward_search.readers.custom.listing import Reading, Roles
from backward_search.stages.prepare import prepare


def prepare_custom(options: CustomOptions | PhotoOptions) -> Path:
    """Prepare what the options name, and keep its entry in the registry beside the tables.

    Returns:
        The folder of the tables.
    """
    source = custom.source(
        options.data,
        Path(options.source).expanduser().absolute(),
        _roles(options),
        custom.Split(options.test_size, options.seed),
        reading=_reading(options),
        image_size=options.image_size,
        augment=options.augment,
        workers=options.n_workers,
        opening=options.opening,
        thumbnails=options.thumbnails,
        class_vectors=named_files(options.class_vectors),
    )
    folder = prepare(source, options.data, overwrite=options.overwrite, check_only=options.check_only)
    if not options.check_only and not options.data.description.exists():  # as it may be of an older version
        registry.save(source.entry, options.data_root)
    return folder


def _roles(options: CustomOptions | PhotoOptions) -> Roles:
    return Roles(
        options.path_column,
        options.image_column,
        options.labels,
        options.tags_column,
        options.split_column,
        options.group_column,
        options.caption_column,
    )


def _reading(options: CustomOptions | PhotoOptions) -> Reading:
    return Reading(
        options.path_template,
        options.encoding,
        options.skip_malformed,
        options.missing,
        options.levels,
        str(Path(options.vectors).expanduser().absolute()) if options.vectors else "",
        options.vector_column,
        options.key_column,
        options.allow_outside,
    )
