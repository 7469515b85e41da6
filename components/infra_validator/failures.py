"""Why a model is refused."""

from __future__ import annotations

from mlops_tfx.errors import MlopsTfxError


class ModelRefusedError(MlopsTfxError):
    """The model does not do what it must; trying again would not help."""


class ServerFailedError(MlopsTfxError):
    """The server did not start, did not load the model, or went away; another try may go better."""
