"""The protobuf messages that TFX's users configure components with: names, fields and numbers of TFX 1.16.

``example_gen_pb2`` and its kin offer what the modules of ``tfx.proto`` do; their types stand in the ``.pyi`` files. The
descriptors come from the .proto files, by ``generate.py``. `registry` says where they live, and `mlops_tfx.config` what
components make of them.
"""
