"""Values in the dtype that a signature wants, or an error: nothing is cut, wrapped or turned into infinity unsaid."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlops_tfx.serving import tensor_messages
from mlops_tfx.serving.tensor_messages import Array


def fit(value: Any, dtype: str | None) -> Array:
    """Returns a value as an array of a dtype.

    Whole numbers become floats where a float belongs, wide floats are rounded to narrow ones, whole floats become ints.
    What would change its meaning is refused: 1.5 for an int, 300 for an int8, 1e300 for a float32, a number for text.

    Args:
        value: an array, a scalar, or nested lists in which None is a missing value.
        dtype: as ``DT_FLOAT``; None, or one that the client does not know: by value.

    Raises:
        ValueError: the value does not fit.
    """
    wanted = tensor_messages.numpy_dtype(dtype) if dtype else None
    if dtype is None or wanted is None:
        return tensor_messages.to_array(value, dtype)
    if not isinstance(value, np.ndarray):
        fast = _numbers(value, wanted)
        if fast is None:
            return tensor_messages.to_array(_checked(value, wanted), dtype)
        value = fast
    array = tensor_messages.to_array(value)
    return array if array.dtype == wanted else _cast(array, wanted, dtype)


def _numbers(value: Any, wanted: Any) -> Array | None:
    """Lists of plain numbers by numpy alone; None for whatever needs a closer look."""
    if wanted.kind == "O" or not isinstance(value, (list, tuple, int, float, np.generic)):
        return None
    try:
        array = np.array(value)
    except ValueError:
        return None  # lists of different lengths, which the slow way names
    # numpy makes floats of ints on both sides of 2**63.
    mixed = array.dtype.kind == "f" and wanted.kind in "iu"
    return None if mixed or array.dtype.kind not in "biuf" else array


def _checked(value: Any, wanted: Any) -> Any:
    if wanted.kind not in "iub":
        return value
    for item in np.array(value, object).ravel():
        if isinstance(item, (float, np.floating)) and not float(item).is_integer():
            raise ValueError(f"expected whole numbers for {wanted.name}, received {item!r}")
        if wanted.kind == "b" and item is not None and item not in (0, 1):
            raise ValueError(f"expected True or False, received {item!r}")
    return value


def _cast(array: Array, wanted: Any, name: str) -> Array:
    if "O" in (array.dtype.kind, wanted.kind):
        has = "text" if array.dtype.kind == "O" else array.dtype.name
        raise ValueError(f"expected values for {name}, received {has}")
    with np.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(wanted)
    if wanted.kind == "f" and array.dtype.kind != "f":
        return cast
    if wanted.kind == "f":
        wrong = np.isinf(cast) & np.isfinite(array)
    elif array.dtype.kind == "f":
        low, high = _limits(wanted)
        # Compared as floats: 2.0**63 is the first that an int64 cannot hold.
        wrong = ~((array >= float(low)) & (array < float(high + 1)) & (np.floor(array) == array))
    else:
        low, high = _limits(wanted)
        wrong = np.array([], bool)
        if array.size and (int(array.min()) < low or int(array.max()) > high):
            wrong = np.array([not low <= int(item) <= high for item in array.ravel()]).reshape(array.shape)
    if wrong.any():
        first = array[wrong].ravel()[0]
        raise ValueError(f"expected values that fit into {name}, received {first!r} of {array.dtype.name}")
    return cast


def _limits(wanted: Any) -> tuple[int, int]:
    if wanted.kind == "b":
        return 0, 1
    limits = np.iinfo(wanted)
    return int(limits.min), int(limits.max)
