"""The standard components, one file each. Imported as ``mlops_tfx.components``."""

if __name__ != "mlops_tfx.components":
    raise ImportError(f"the folder components/ is imported as 'mlops_tfx.components', not as {__name__!r}")
