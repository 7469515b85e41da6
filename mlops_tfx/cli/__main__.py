"""``python -m mlops_tfx.cli``."""

from mlops_tfx.cli import main

main()
