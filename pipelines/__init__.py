"""Ready pipelines: functions that return a Pipeline. Imported as ``mlops_tfx.pipelines``."""

if __name__ != "mlops_tfx.pipelines":
    raise ImportError(f"the folder pipelines/ is imported as 'mlops_tfx.pipelines', not as {__name__!r}")
