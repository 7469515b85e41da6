"""What ExampleGens share: spans in, readers, rows divided into splits, Examples artifacts out.

To read a format of your own, subclass `FileBasedExampleGen` and override ``read`` (docs/ingestion.md).

    file_based.py        FileBasedExampleGen: input files of spans; ``read`` makes rows of them
    custom_executors/    readers under the names of TFX's executors
    query_based.py       QueryBasedExampleGen: queries of spans; ``read`` runs them; queries.py: their variables
    big_query.py         a source that runs a query in BigQuery
    base.py              BaseExampleGen: sources in, one Examples artifact per span out
    source.py            what a reader may return
    beam_source.py       a source that is a Beam PTransform, divided and written on the workers
"""

from __future__ import annotations

from mlops_tfx.ingestion.base import BaseExampleGen, SpanSources
from mlops_tfx.ingestion.file_based import FileBasedExampleGen
from mlops_tfx.ingestion.query_based import QueryBasedExampleGen
from mlops_tfx.ingestion.source import Source

__all__ = ["BaseExampleGen", "FileBasedExampleGen", "QueryBasedExampleGen", "Source", "SpanSources"]
