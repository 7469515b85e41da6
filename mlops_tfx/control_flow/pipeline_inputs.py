"""PipelineInputs: what a pipeline takes from the pipeline around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_tfx.channel import BaseChannel, PipelineInputChannel
from mlops_tfx.errors import ConfigError, did_you_mean


class PipelineInputs:
    """The inputs of a pipeline within a pipeline.

        inputs = PipelineInputs({"examples": example_gen.outputs["examples"]})
        trainer = Trainer(examples=inputs["examples"], ...)
        outputs = {"model": trainer.outputs["model"]}
        training = Pipeline("training", components=[trainer], inputs=inputs, outputs=outputs)
        pusher = Pusher(model=training.outputs["model"], ...)
        Pipeline("all", root, components=[example_gen, training, pusher])

    Args:
        inputs: channels of the pipeline around, by name.
        optional_inputs: the same; the pipeline runs without them if there is nothing in them.

    Raises:
        ConfigError: something else than a channel, or a name in both.
    """

    def __init__(
        self,
        inputs: Mapping[str, BaseChannel[Any]] | None = None,
        optional_inputs: Mapping[str, BaseChannel[Any]] | None = None,
    ) -> None:
        self.raw_inputs = dict(inputs or {})
        self.raw_optional_inputs = dict(optional_inputs or {})
        twice = sorted(self.raw_inputs.keys() & self.raw_optional_inputs.keys())
        if twice:
            raise ConfigError(f"PipelineInputs: {', '.join(map(repr, twice))} in both inputs and optional_inputs")
        for key, channel in {**self.raw_inputs, **self.raw_optional_inputs}.items():
            if not isinstance(channel, BaseChannel):
                raise ConfigError(f"PipelineInputs: input {key!r}: expected a channel, received {channel!r}")
        given = {**self.raw_inputs, **self.raw_optional_inputs}
        self._channels = {key: PipelineInputChannel(channel, key, self) for key, channel in given.items()}

    @property
    def inputs(self) -> Mapping[str, PipelineInputChannel[Any]]:
        """The channels to use within the pipeline, by name."""
        return dict(self._channels)

    def __getitem__(self, key: str) -> PipelineInputChannel[Any]:
        try:
            return self._channels[key]
        except KeyError:
            raise KeyError(f"PipelineInputs has no input {key!r}{did_you_mean(key, self._channels)}") from None
