"""What ExampleGens share: spans in, readers, rows divided into splits, Examples artifacts out.

To read a format of your own, subclass `FileBasedExampleGen` and override ``read`` (docs/ingestion.md).

    file_based.py        FileBasedExampleGen: input files of spans; ``read`` makes rows of them
    base.py              BaseExampleGen: sources in, one Examples artifact per span out
    source.py            what a reader may return
    beam_source.py       a source that is a Beam PTransform, divided and written on the workers
"""

from __future__ import annotations

from mlops_tfx.ingestion.base import BaseExampleGen, SpanSources
from mlops_tfx.ingestion.file_based import FileBasedExampleGen
from mlops_tfx.ingestion.source import Source

__all__ = ["BaseExampleGen", "FileBasedExampleGen", "Source", "SpanSources"]
