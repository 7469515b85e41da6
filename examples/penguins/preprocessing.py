"""What becomes of a penguin before the model sees it."""

from features import CATEGORIES, LABEL, NUMBERS

from mlops_tfx.pipelines.tabular_preprocessing import category, label, number


def preprocessing_fn(inputs):
    outputs = {f"{name}_number": number(inputs[name]) for name in NUMBERS}
    outputs |= {f"{name}_category": category(inputs[name], name) for name in CATEGORIES}
    outputs[LABEL] = label(inputs[LABEL], "multiclass")
    return outputs
