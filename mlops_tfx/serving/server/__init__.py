"""A model server that speaks TF Serving's protocol.

gRPC PredictionService, ModelService, health and reflection; several models, each watched for new versions. Start it as
``python -m mlops_tfx.serving.server --model_name=m --model_base_path=/models/m``, or in a program:

    with ModelServer(model_name="m", model_base_path="/models/m", port=0) as server:
        server.wait_until_available()
        ...  # server.address

How a request runs: ``grpc_service.py`` -> ``inference.py`` -> ``manager.py`` (which version) -> ``signatures.py``
(decode) -> ``calls.py`` (the chain) -> ``saved_model.py`` (the session) -> ``tensors.py`` (encode). It imports
nothing of the pipeline framework, so that it runs where only TensorFlow is.
"""

from mlops_tfx.serving.server.options import ServerOptions
from mlops_tfx.serving.server.server import ModelServer, ModelUnavailableError

__all__ = ["ModelServer", "ModelUnavailableError", "ServerOptions"]
