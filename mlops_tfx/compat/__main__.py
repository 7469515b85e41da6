"""``python -m mlops_tfx.compat script.py args...``: a script for TFX, with our library in TFX's place.

``python -m mlops_tfx.compat -m pytest some_test.py`` does the same for a module that Python runs with ``-m``.
"""

import sys

from mlops_tfx.compat.script import run_module, run_script
from mlops_tfx.errors import MlopsTfxError


def main() -> None:
    """Runs the script or module; errors of ours become one message and exit code 1."""
    arguments = sys.argv[1:]
    run = run_module if arguments[:1] == ["-m"] else run_script
    program = arguments[1:] if run is run_module else arguments
    if not program:
        sys.exit("usage: python -m mlops_tfx.compat script.py [arguments]\n       ... -m module [arguments]")
    try:
        run(program[0], program[1:])
    except MlopsTfxError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
