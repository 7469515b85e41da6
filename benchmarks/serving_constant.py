"""A grpcio server that answers Predict with the bytes it was started with: what gRPC alone costs in Python.

python benchmarks/serving_constant.py PORT RESPONSE_FILE
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc


def main() -> None:
    port, path = sys.argv[1:]
    with open(path, "rb") as file:
        answer = file.read()
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: answer)
    service = grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": handler})
    server = grpc.server(ThreadPoolExecutor(10))
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
