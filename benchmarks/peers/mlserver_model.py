"""MLServer: a custom runtime with adaptive batching; inputs are the named tensors of the V2 protocol."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from model import Model


class Served(MLModel):
    async def load(self) -> bool:
        self.model = Model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        columns = {
            tensor.name: (
                StringCodec.decode_input(tensor)
                if tensor.datatype == "BYTES"
                else NumpyCodec.decode_input(tensor).ravel()
            )
            for tensor in payload.inputs
        }
        import numpy as np

        output = np.array(self.model.predict(columns), np.float32).reshape(-1, 1)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("predictions", output)])
