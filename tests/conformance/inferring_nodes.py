"""The components that run a trained model, for the pipeline on the penguins."""

from __future__ import annotations

from mlops_tfx.channel import BaseChannel
from mlops_tfx.component import Component
from mlops_tfx.components import BulkInferrer, InfraValidator, SkewValidator, Trainer
from mlops_tfx.config import RequestSpec


def inferring_nodes(examples: BaseChannel, trainer: Trainer) -> list[Component]:
    """Returns fresh nodes that run the model on these examples."""
    model = trainer.outputs["model"]
    skew = SkewValidator(
        model,
        trainer.inputs["transform_graph"],
        examples,
        trainer.inputs["schema"],
        trainer.inputs["examples"],
        label_key="species",
        num_rows=16,
        one_by_one=2,
    )
    validator = InfraValidator(model, examples=examples, request_spec=RequestSpec(num_examples=3), server="embedded")
    return [BulkInferrer(examples, model), validator, skew]
