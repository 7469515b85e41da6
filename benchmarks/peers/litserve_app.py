"""LitServe: batches of up to 64, a worker process for every core."""

from __future__ import annotations

import os
import sys

import litserve
from model import Model


class Served(litserve.LitAPI):
    def setup(self, device):
        self.model = Model()

    def decode_request(self, request):
        return request["instances"][0]

    def predict(self, batch):
        return self.model.predict_rows(batch)

    def encode_response(self, output):
        return {"predictions": [output]}


if __name__ == "__main__":
    served = Served(max_batch_size=64, batch_timeout=0.003)
    server = litserve.LitServer(served, accelerator="cpu", workers_per_device=os.cpu_count() or 1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, num_api_servers=1)
