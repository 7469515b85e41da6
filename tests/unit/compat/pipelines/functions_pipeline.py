"""Function components in TFX's idiom, all in ``__main__``: every form of argument and result."""

import json
import os
import sys
from typing import Dict, List, Optional, TypedDict

import apache_beam as beam
from tfx.dsl.component.experimental.annotations import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    OutputDict,
    Parameter,
)
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.types import Artifact, channel, standard_artifacts
from tfx.types.system_executions import Process


class Notes(Artifact):
    TYPE_NAME = "Notes"


class Values(TypedDict):
    number: int
    ratio: float
    text: str
    flag: bool
    raw: bytes
    table: Dict[str, List[int]]
    nothing: Optional[str]


@component(component_annotation=Process)
def Make(
    notes: OutputArtifact[Notes],
    start: Parameter[int],
    rates: Parameter[List[float]] = None,
    options: Parameter[Dict[str, str]] = None,
    unused: Parameter[str] = "unused",
) -> Values:
    """Makes a value of each kind."""
    with open(os.path.join(notes.uri, "notes.json"), "w") as file:
        json.dump({"rates": rates, "options": options, "unused": unused}, file, sort_keys=True)
    return {
        "number": start,
        "ratio": start / 2,
        "text": "größer",
        "flag": True,
        "raw": b"\x00\xff",
        "table": {"a": [1, 2]},
        "nothing": None,
    }


@component
def Take(
    notes: InputArtifact[Notes],
    number: int,
    ratio: float,
    text: str,
    flag: bool,
    raw: bytes,
    table: Dict[str, List[int]],
    seen: OutputArtifact[standard_artifacts.HyperParameters],
    nothing: Optional[str] = "default",
    missing: Optional[int] = 7,
    model: InputArtifact[standard_artifacts.Model] = None,
) -> OutputDict(summary=str):
    """Takes a value of each kind."""
    found = [number, ratio, text, flag, list(raw), table, nothing, missing, model, sorted(os.listdir(notes.uri))]
    with open(os.path.join(seen.uri, "seen.json"), "w") as file:
        json.dump(found, file)
    return {"summary": json.dumps(found)}


@component
def Gather(several: InputArtifact[List[Notes]], seen: OutputArtifact[standard_artifacts.HyperParameters]):
    """Takes a list of artifacts."""
    with open(os.path.join(seen.uri, "seen.json"), "w") as file:
        json.dump([json.load(open(os.path.join(notes.uri, "notes.json"))) for notes in several], file)


@component(use_beam=True)
def Sum(
    table: Dict[str, List[int]],
    seen: OutputArtifact[standard_artifacts.HyperParameters],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> OutputDict(done=bool):
    """Runs the pipeline that it is given."""
    with beam_pipeline as p:
        total = p | beam.Create(table["a"]) | beam.CombineGlobally(sum) | beam.Map(str)
        _ = total | beam.io.WriteToText(os.path.join(seen.uri, "seen.json"), shard_name_template="")
    return {"done": True}


def create_pipeline(root: str) -> pipeline.Pipeline:
    make = Make(start=5, rates=[0.5, 1.0], options={"depth": "three"})
    other = Make(start=6).with_id("Other")
    values = ("number", "ratio", "text", "flag", "raw", "table", "nothing")
    take = Take(notes=make.outputs["notes"], **{name: make.outputs[name] for name in values})
    gather = Gather(several=channel.union([make.outputs["notes"], other.outputs["notes"]]))
    total = Sum(table=make.outputs["table"])
    return pipeline.Pipeline(
        pipeline_name="functions",
        pipeline_root=os.path.join(root, "pipeline"),
        components=[make, other, take, gather, total],
        metadata_connection_config=metadata.sqlite_metadata_connection_config(os.path.join(root, "metadata.db")),
    )


if __name__ == "__main__":
    assert Gather.test_call is not None
    LocalDagRunner().run(create_pipeline(sys.argv[1]))
