"""ExampleGens written for TFX: custom executors, drivers and input processors.

component.py          FileBasedExampleGen, QueryBasedExampleGen and their kin, with EXECUTOR_SPEC and DRIVER_CLASS
executor.py           BaseExampleGenExecutor, from which custom executors are derived
standard_executors.py the executors that TFX's own ExampleGens have, to be derived from
driver.py             Driver, FileBasedDriver, QueryBasedDriver
input_processor.py    which span is taken, in which version
configuration.py      names of properties, default configurations, rows as tf.Examples
"""
