"""Writes cases.json: what TFX's resolver functions choose from random histories, with random settings.

Run it in this folder with a Python 3.10 that has tfx==1.16.0 and dill:  python write_with_tfx.py
The functions are TFX's own; in place of tracing, their operators are applied at once.
"""

import json
import random
from types import SimpleNamespace

from tfx.dsl.input_resolution import canned_resolver_functions
from tfx.dsl.input_resolution.ops import ops, test_utils
from tfx.orchestration.portable.input_resolution import exceptions

COUNT = 60  # cases of each function
_RANDOM = random.Random(20261121)


def eager(name):
    return lambda found, **settings: test_utils.run_resolver_op(getattr(ops, name), found, **settings)


canned_resolver_functions.ops = SimpleNamespace(**{name: eager(name) for name in dir(ops) if name[0].isupper()})


def artifact(index, span, version):
    made = test_utils.Examples()
    made.span, made.version = span, version
    made.mlmd_artifact.id = index
    made.mlmd_artifact.create_time_since_epoch = index
    made.uri = str(index)
    return made


def history(start=1):
    pairs = [[_RANDOM.randint(0, 8), _RANDOM.randint(0, 3)] for _ in range(_RANDOM.randint(0, 10))]
    return pairs, [artifact(start + index, *pair) for index, pair in enumerate(pairs)]


def spans():
    return sorted(_RANDOM.sample(range(9), _RANDOM.randint(0, 2)))


def boolean():
    return _RANDOM.random() < 0.5


def maybe(value):
    return value if boolean() else None


def given(**settings):
    return {name: value for name, value in settings.items() if value is not None}


SETTINGS = {
    "latest_created": lambda: {"n": _RANDOM.randint(1, 4)},
    "latest_version": lambda: {"n": _RANDOM.randint(1, 4)},
    "all_spans": dict,
    "static_range": lambda: given(
        start_span_number=maybe(_RANDOM.randint(-1, 5)), end_span_number=maybe(_RANDOM.randint(-1, 9)),
        keep_all_versions=boolean(), exclude_span_numbers=spans(), min_spans=maybe(_RANDOM.randint(0, 4)),
    ),
    "rolling_range": lambda: given(
        start_span_number=_RANDOM.randint(0, 5), num_spans=_RANDOM.randint(-1, 4),
        skip_num_recent_spans=_RANDOM.randint(0, 2), keep_all_versions=boolean(), exclude_span_numbers=spans(),
        min_spans=maybe(_RANDOM.randint(0, 3)),
    ),
    "sequential_rolling_range": lambda: given(
        start_span_number=maybe(_RANDOM.randint(-1, 4)), num_spans=_RANDOM.randint(1, 3),
        skip_num_recent_spans=_RANDOM.randint(0, 2), keep_all_versions=boolean(), exclude_span_numbers=spans(),
        stride=_RANDOM.randint(1, 2),
    ),
    "filter_property_equal": lambda: {"key": _RANDOM.choice(["span", "version"]), "value": _RANDOM.randint(0, 3)},
    "slice": lambda: given(
        start=maybe(_RANDOM.randint(-4, 4)), stop=maybe(_RANDOM.randint(-4, 4)), min_count=maybe(_RANDOM.randint(0, 3)),
    ),
    "paired_spans": lambda: _RANDOM.choice(
        [{}, {"match_version": False}, {"keep_all_versions": True}, {"match_version": True}]
    ),
}  # fmt: skip


def plain(found):
    if isinstance(found, dict):
        return {key: plain(value) for key, value in found.items()}
    return [plain(item) for item in found] if isinstance(found, (list, tuple)) else found.id


def function(name):
    wrapped = getattr(canned_resolver_functions, "_slice" if name == "slice" else name).__wrapped__
    return wrapped


def case(name):
    settings = SETTINGS[name]()
    pairs, found = history()
    if name == "paired_spans":
        others, more = history(start=100)
        pairs, found = {"x": pairs, "y": others}, {"x": found, "y": more}
    try:
        expected = plain(function(name)(found, **settings))
    except exceptions.SkipSignal:
        expected = "skip"
    except exceptions.InsufficientInputError:
        expected = "error"
    return {"function": name, "settings": settings, "history": pairs, "expected": expected}


if __name__ == "__main__":
    cases = [case(name) for name in SETTINGS for _ in range(COUNT)]
    with open("cases.json", "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(one, sort_keys=True) for one in cases) + "\n]\n")
