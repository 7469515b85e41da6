"""Tuner on Vertex AI: the search is done in a custom job."""

from __future__ import annotations

from collections.abc import Iterable

from mlops_tfx import components
from mlops_tfx.extensions.custom_config import section
from mlops_tfx.extensions.google_cloud_ai_platform import constants, job_args
from mlops_tfx.extensions.google_cloud_ai_platform.on_vertex import run_on_vertex


class Tuner(components.Tuner):
    """Searches for the best hyperparameters in a custom job of Vertex AI, with the same ``tuner_fn`` as the Tuner here.

    Not verified against the real service; its logic is tested against a fake of Vertex AI's client.

    Keys of ``custom_config``: ``ai_platform_enable_vertex`` (True), ``ai_platform_vertex_region`` and
    ``ai_platform_tuning_args``: as ``ai_platform_training_args`` of Trainer, with one worker pool of one machine.
    ``tune_args`` says how many trials run side by side, in processes of that machine (TFX gives each a machine).

    Arguments, outputs and properties are those of Tuner. ``pipeline_root`` is on ``gs://``.
    """

    HEAVY_IMPORTS = ()  # type: ignore[assignment]  # the container needs it, this machine does not

    def check(self) -> Iterable[str]:
        """What Tuner asks for, and the job's arguments."""
        yield from super().check()
        yield from job_args.problems(self.custom_config, constants.TUNING_ARGS_KEY)
        pools = job_args.worker_pools(section(self.custom_config, constants.TUNING_ARGS_KEY)[0])
        if len(pools) > 1 or any(pool.get("replica_count", 1) > 1 for pool in pools):
            yield (
                f"{constants.TUNING_ARGS_KEY}: expected one worker pool of one machine, received {len(pools)} pools; "
                "trials run side by side on that machine: TuneArgs(num_parallel_trials=...)"
            )

    def run(self) -> None:
        """Searches in a job. Raises CloudJobError with the reason if it does not succeed."""
        run_on_vertex(self, self.custom_config or {}, constants.TUNING_ARGS_KEY, self.tuner_fn)

    def run_there(self) -> None:
        """Searches; called in the container."""
        super().run()
