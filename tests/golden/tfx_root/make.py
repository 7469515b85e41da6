"""Writes root.tar.gz: what TFX 1.16 leaves after four runs of pipeline.py, with root, metadata store and pushed models.

1. span 1: everything runs, the model is blessed and pushed.
2. the same again: all is cached but Evaluator and Pusher, since there is a baseline now.
3. span 2, and a model that knows nothing: it is not blessed, and not pushed.
4. the same, and Trainer fails.

Run it with a Python 3.10 that has tfx==1.16.0 and dill:  python make.py
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> None:
    """Runs the pipeline in a temporary folder, whose name is packed too: `unpack.py` puts another in its place."""
    with tempfile.TemporaryDirectory() as folder:
        add_span(folder, 1)
        run(folder)
        run(folder)
        add_span(folder, 2)
        run(folder, "guess")
        assert run(folder, "fail", check=False) != 0
        shutil.rmtree(os.path.join(folder, "data"))
        pack(folder, os.path.join(HERE, "root.tar.gz"))


def add_span(folder: str, number: int) -> None:
    """Lays the next data before the pipeline."""
    os.makedirs(os.path.join(folder, "data", f"span-{number}"))
    shutil.copy2(
        os.path.join(HERE, "data", f"span-{number}.csv"), os.path.join(folder, "data", f"span-{number}", "flights.csv")
    )


def run(folder: str, how: str = "", check: bool = True) -> int:
    """Runs the pipeline, in a process of its own, as people do."""
    command = [sys.executable, os.path.join(HERE, "pipeline.py"), folder, *([how] if how else [])]
    return subprocess.run(command, check=check).returncode


def pack(folder: str, path: str) -> None:
    """Packs a folder, and its name."""
    with tarfile.open(path, "w:gz") as archive:
        name = folder.encode()
        archive.addfile(sized(tarfile.TarInfo("FOLDER"), len(name)), io.BytesIO(name))
        for entry in sorted(os.listdir(folder)):
            archive.add(os.path.join(folder, entry), entry)


def sized(info: tarfile.TarInfo, size: int) -> tarfile.TarInfo:
    """The entry of a file of so many bytes."""
    info.size = size
    return info


if __name__ == "__main__":
    main()
