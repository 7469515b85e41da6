"""Keys of ``custom_config``, under TFX's names."""

from __future__ import annotations

BULK_INFERRER_SERVING_ARGS_KEY = "ai_platform_serving_args"
ENABLE_UCAIP_KEY = "ai_platform_training_enable_ucaip"
ENABLE_VERTEX_KEY = "ai_platform_enable_vertex"
ENDPOINT_ARGS_KEY = "endpoint"
JOB_ID_KEY = "ai_platform_training_job_id"
LABELS_KEY = "ai_platform_training_labels"
PUSHER_SERVING_ARGS_KEY = "ai_platform_serving_args"
REMOTE_TRIALS_WORKING_DIR_KEY = "remote_trials_working_dir"
SERVING_ARGS_KEY = "ai_platform_serving_args"
TRAINING_ARGS_KEY = "ai_platform_training_args"
TUNING_ARGS_KEY = "ai_platform_tuning_args"
UCAIP_REGION_KEY = "ai_platform_training_ucaip_region"
VERTEX_CONTAINER_IMAGE_URI_KEY = "ai_platform_vertex_container_image_uri"
VERTEX_REGION_KEY = "ai_platform_vertex_region"
