"""Readers to pass as ``custom_executor_spec``, under the names of TFX's executors.

``FileBasedExampleGen(input_base, custom_executor_spec=avro_executor.Executor)`` reads Avro files; so does
`AvroExampleGen`, which says so by its name.
"""
