"""Values in the dtype that a signature wants, or an error: nothing is cut, wrapped or turned into infinity unsaid."""

from __future__ import annotations

import math
import reprlib
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
    objects = isinstance(value, np.ndarray) and value.dtype.kind == "O" and wanted.kind != "O"
    if objects or isinstance(value, np.ma.MaskedArray):
        value = value.tolist()  # numbers of several kinds; None for what is missing, or masked
    if not isinstance(value, np.ndarray):
        fast = _numbers(value, wanted)
        if fast is None:
            return _one_by_one(value, wanted, dtype)
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


def _one_by_one(value: Any, wanted: Any, name: str) -> Array:
    """Nested lists with None, with text, with numbers of several kinds or beyond 64 bits."""
    if wanted.kind != "O":
        check, limits = (_check_float if wanted.kind == "f" else _check_whole), _limits(wanted)
        for item in np.array(value, object).ravel().tolist():
            # Lists in here are of different lengths, which is said below.
            if item is not None and not isinstance(item, (list, tuple, np.ndarray)):
                check(item, wanted, limits, name)
    return tensor_messages.to_array(value, name)


def _check_float(item: Any, wanted: Any, limits: tuple[float, float], name: str) -> None:
    number = item if type(item) is float else _converted(float, item, name)
    if limits[0] <= number <= limits[1]:
        return
    with np.errstate(over="ignore"):
        if np.isinf(wanted.type(number)) and not math.isinf(number):
            raise _misfit(item, name)


def _check_whole(item: Any, wanted: Any, limits: tuple[float, float], name: str) -> None:
    if wanted.kind == "b" and item not in (0, 1):
        raise ValueError(f"expected True or False, received {item!r}")
    number = item if type(item) is int else _converted(int, item, name)
    if number != item:
        raise ValueError(f"expected whole numbers for {name}, received {item!r}")
    if not limits[0] <= number <= limits[1]:
        raise _misfit(item, name)


def _converted(kind: Any, item: Any, name: str) -> Any:
    if isinstance(item, (str, bytes)):
        raise ValueError(f"expected values for {name}, received text: {_shown(item)}")
    try:
        return kind(item)
    except TypeError as error:
        raise ValueError(f"expected values for {name}, received {type(item).__name__}: {_shown(item)}") from error
    except (ValueError, OverflowError) as error:  # NaN and infinities for an integer, integers beyond every float
        raise _misfit(item, name) from error


def _misfit(item: Any, name: str) -> ValueError:
    return ValueError(f"expected values that fit into {name}, received {_shown(item)}")


def _shown(item: Any) -> str:
    return reprlib.repr(item)


def _cast(array: Array, wanted: Any, name: str) -> Array:
    if not array.size:
        return np.empty(array.shape, wanted)
    if "O" in (array.dtype.kind, wanted.kind) or array.dtype.kind in "cmM":
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
        # Compared as floats of 64 bits: 2.0**63 is the first that an int64 cannot hold.
        wide = array.astype(np.float64, copy=False)
        wrong = ~((wide >= float(low)) & (wide < float(high + 1)) & (np.floor(wide) == wide))
    else:
        low, high = _limits(wanted)
        wrong = np.array([], bool)
        if array.size and (int(array.min()) < low or int(array.max()) > high):
            wrong = np.array([not low <= int(item) <= high for item in array.ravel()]).reshape(array.shape)
    if wrong.any():
        first = array[wrong].ravel()[0].item()
        raise ValueError(f"expected values that fit into {name}, received {first!r} of {array.dtype.name}")
    return cast


def _limits(wanted: Any) -> tuple[Any, Any]:
    """The least and the greatest number of a dtype, as Python's."""
    if wanted.kind == "b":
        return 0, 1
    limits: Any = np.finfo(wanted) if wanted.kind == "f" else np.iinfo(wanted)
    kind = float if wanted.kind == "f" else int
    return kind(limits.min), kind(limits.max)
