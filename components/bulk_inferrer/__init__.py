"""BulkInferrer: a model's predictions for every row of Examples.

component.py    the component
requests.py     what is wrong with the parameters, before any work
beam_mode.py    the work of mlops_tfx.inference.bulk on a Beam runner
"""

from mlops_tfx.components.bulk_inferrer.component import BulkInferrer

__all__ = ["BulkInferrer"]
