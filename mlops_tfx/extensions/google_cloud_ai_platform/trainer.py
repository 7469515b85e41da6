"""Trainer on Vertex AI: run_fn is called in a custom job."""

from __future__ import annotations

from collections.abc import Iterable

from mlops_tfx import components
from mlops_tfx.extensions.google_cloud_ai_platform import constants, job_args
from mlops_tfx.extensions.google_cloud_ai_platform.on_vertex import run_on_vertex


class Trainer(components.Trainer):
    """Trains a model in a custom job of Vertex AI, with the same ``run_fn`` as the Trainer here.

    Not verified against the real service; its logic is tested against a fake of Vertex AI's client.

    Keys of ``custom_config``: ``ai_platform_enable_vertex`` (True), ``ai_platform_vertex_region`` and
    ``ai_platform_training_args``: ``project`` and a CustomJob (``job_spec``, ``labels``, ``display_name``,
    ``encryption_spec``). Every worker pool names an image with mlops_tfx and what run_fn needs; its command is
    set here. All of ``custom_config`` goes to run_fn, too. Of several workers the first one's model is taken.

    Arguments, outputs and properties are those of Trainer. ``module_file``, or the module of ``run_fn``, is sent with
    what it imports of the project. ``pipeline_root`` is on ``gs://``.
    """

    HEAVY_IMPORTS = ()  # type: ignore[assignment]  # the container needs it, this machine does not

    def check(self) -> Iterable[str]:
        """What Trainer asks for, and the job's arguments."""
        yield from super().check()
        yield from job_args.problems(self.custom_config, constants.TRAINING_ARGS_KEY)

    def run(self) -> None:
        """Trains in a job. Raises CloudJobError with the reason if it does not succeed."""
        run_on_vertex(self, self.custom_config or {}, constants.TRAINING_ARGS_KEY, self.run_fn)

    def run_there(self) -> None:
        """Trains; called in the container."""
        super().run()
