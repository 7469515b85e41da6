"""``tfx.v1.extensions.google_cloud_ai_platform.experimental``: further keys of ``custom_config``."""

from __future__ import annotations

__all__ = [
    "BULK_INFERRER_SERVING_ARGS_KEY",
    "ENDPOINT_ARGS_KEY",
    "PUSHER_SERVING_ARGS_KEY",
    "REMOTE_TRIALS_WORKING_DIR_KEY",
    "TUNING_ARGS_KEY",
]

BULK_INFERRER_SERVING_ARGS_KEY = "ai_platform_serving_args"
ENDPOINT_ARGS_KEY = "endpoint"
PUSHER_SERVING_ARGS_KEY = "ai_platform_serving_args"
REMOTE_TRIALS_WORKING_DIR_KEY = "remote_trials_working_dir"
TUNING_ARGS_KEY = "ai_platform_tuning_args"
