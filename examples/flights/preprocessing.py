"""What becomes of a flight before the model sees it."""

from features import CATEGORIES, LABEL, NUMBERS, WEATHER

from mlops_tfx.pipelines.tabular_preprocessing import category, label, missing, number


def preprocessing_fn(inputs):
    outputs = {f"{name}_number": number(inputs[name]) for name in NUMBERS}
    outputs |= {f"{name}_missing": missing(inputs[name]) for name in WEATHER}
    outputs |= {f"{name}_category": category(inputs[name], name) for name in CATEGORIES}
    outputs[LABEL] = label(inputs[LABEL], "binary")
    return outputs
