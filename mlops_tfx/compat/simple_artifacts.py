"""``tfx.types.experimental.simple_artifacts``: artifact types of no particular form."""

from mlops_tfx.artifacts import Artifact


class Dataset(Artifact):
    """Data."""


class File(Artifact):
    """A file."""


class Statistics(Artifact):
    """Statistics of data."""


class Metrics(Artifact):
    """Figures about a model."""
