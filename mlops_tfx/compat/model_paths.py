"""``tfx.utils.path_utils``: where the parts of a Model artifact lie."""

from __future__ import annotations

import os
from typing import Any

SERVING_MODEL_DIR = "Format-Serving"
EVAL_MODEL_DIR = "Format-TFMA"
STAMPED_MODEL_DIR = "stamped_model"
TFMA_EVAL = "tfma_eval"
_OLD_SERVING_MODEL_DIR, _OLD_EVAL_MODEL_DIR = "serving_model_dir", "eval_model_dir"


def serving_model_dir(output_uri: str, is_old_artifact: bool = False) -> str:
    """Returns the folder of the model for serving."""
    return os.path.join(output_uri, _OLD_SERVING_MODEL_DIR if is_old_artifact else SERVING_MODEL_DIR)


def serving_model_path(output_uri: str, is_old_artifact: bool = False) -> str:
    """Returns the folder of the SavedModel for serving: in estimators' exports it lies two folders deeper."""
    from mlops_tfx import filesystem
    from mlops_tfx.compat.files import get_only_uri_in_dir

    folder = serving_model_dir(output_uri, is_old_artifact)
    export = os.path.join(folder, "export")
    return get_only_uri_in_dir(get_only_uri_in_dir(export)) if filesystem.exists(export) else folder


def eval_model_dir(output_uri: str, is_old_artifact: bool = False) -> str:
    """Returns the folder of the model for evaluation."""
    return os.path.join(output_uri, _OLD_EVAL_MODEL_DIR if is_old_artifact else EVAL_MODEL_DIR)


def eval_model_path(output_uri: str, is_old_artifact: bool = False) -> str:
    """Returns the folder of the SavedModel for evaluation; that for serving, if there is none."""
    from mlops_tfx import filesystem
    from mlops_tfx.compat.files import get_only_uri_in_dir

    folder = eval_model_dir(output_uri, is_old_artifact)
    if filesystem.exists(os.path.join(folder, "saved_model.pb")):
        return folder
    if filesystem.exists(folder):
        return get_only_uri_in_dir(folder)
    return serving_model_path(output_uri, is_old_artifact)


def is_old_model_artifact(model_artifact: Any) -> bool:
    """Whether TFX wrote a model before release 0.29, in folders of other names: never here."""
    return False


def get_model_dir_by_type(output_uri: str, model_type: str, is_old_artifact: bool = False) -> str:
    """Returns the folder of the model for evaluation (``TFMA_EVAL``), or for serving (any other)."""
    return (eval_model_dir if model_type == TFMA_EVAL else serving_model_dir)(output_uri, is_old_artifact)


def stamped_model_path(output_uri: str) -> str:
    """Returns the folder of the model with warmup requests in an InfraBlessing."""
    return os.path.join(output_uri, STAMPED_MODEL_DIR)


def warmup_file_path(saved_model_path: str) -> str:
    """Returns the path of a SavedModel's file of warmup requests."""
    return os.path.join(saved_model_path, "assets.extra", "tf_serving_warmup_requests")
