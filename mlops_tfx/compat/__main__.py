"""``python -m mlops_tfx.compat script.py args...``: a script for TFX, with our library in TFX's place."""

import sys

from mlops_tfx.compat.script import run_script
from mlops_tfx.errors import MlopsTfxError


def main() -> None:
    """Runs the script; errors of ours become one message and exit code 1."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m mlops_tfx.compat script.py [arguments]")
    try:
        run_script(sys.argv[1], sys.argv[2:])
    except MlopsTfxError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
