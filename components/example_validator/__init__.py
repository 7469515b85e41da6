"""ExampleValidator: compares statistics with a schema and with other statistics, and says what is wrong.

``component.py`` has the component; ``offences.py`` finds the values that are to blame for an anomaly.
"""

from mlops_tfx.components.example_validator.component import ExampleValidator

__all__ = ["ExampleValidator"]
