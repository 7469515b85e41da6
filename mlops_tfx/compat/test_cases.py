"""``tfx.utils.test_case_utils``: a base for users' tests of their components."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from mlops_tfx import filesystem


class TfxTest(tf.test.TestCase):
    """A test case with a folder of its own, ``tmp_dir``."""

    def setUp(self) -> None:
        """Makes the folder."""
        super().setUp()
        self.tmp_dir = os.path.join(self.get_temp_dir(), self._testMethodName)
        filesystem.makedirs(self.tmp_dir)


@contextlib.contextmanager
def override_env_var(name: str, value: str) -> Iterator[None]:
    """Sets an environment variable for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextlib.contextmanager
def change_working_dir(working_dir: str) -> Iterator[str]:
    """Works in another folder for a while; gives the one before."""
    before = os.getcwd()
    os.chdir(working_dir)
    try:
        yield before
    finally:
        os.chdir(before)


def load_proto_from_text(path: str, proto: Any) -> Any:
    """Sets the fields of a message from a file in text format, and returns it."""
    from mlops_tfx.compat.files import parse_pbtxt_file

    return parse_pbtxt_file(path, proto)
