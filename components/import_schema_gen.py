"""ImportSchemaGen: brings a schema file that a person has checked into the pipeline."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Schema
from mlops_tfx.component import Component, Output


class ImportSchemaGen(Component):
    """Copies a schema file into a Schema artifact, comments and all, once it is known to parse.

    Args:
        schema_file: a tensorflow_metadata Schema in protobuf's text format.

    Writes ``schema.pbtxt``. Editing the file re-runs the node: the cache goes by its content.
    """

    EXECUTION_TYPE = "tfx.components.schema_gen.import_schema_gen.component.ImportSchemaGen"

    schema_file: str
    schema = Output(Schema)

    def check(self) -> tuple[str, ...]:
        """An empty path."""
        return () if self.schema_file else ("parameter 'schema_file': expected a path, received schema_file=''",)

    def cache_ingredients(self) -> Mapping[str, str]:
        """The digest of the file. A file that is not there is reported by ``run()``."""
        there = filesystem.exists(self.schema_file)
        return {f"file {self.schema_file}": filesystem.digest(self.schema_file) if there else "missing"}

    def run(self) -> None:
        from mlops_tfx.io.protos import SCHEMA_FILE, read_schema

        read_schema(self.schema_file)
        filesystem.copy_tree(self.schema_file, f"{self.schema.uri}/{SCHEMA_FILE}")
