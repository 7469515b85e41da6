"""The components that run a trained model, for the pipeline on the penguins."""

from __future__ import annotations

from mlops_tfx.channel import BaseChannel
from mlops_tfx.component import Component
from mlops_tfx.components import BulkInferrer, InfraValidator
from mlops_tfx.config import RequestSpec


def inferring_nodes(examples: BaseChannel, model: BaseChannel) -> list[Component]:
    """Returns fresh nodes that run the model on these examples."""
    validator = InfraValidator(model, examples=examples, request_spec=RequestSpec(num_examples=3), server="embedded")
    return [BulkInferrer(examples, model), validator]
