"""Pairs of splits."""

from __future__ import annotations

import pytest

from mlops_tfx.errors import ConfigError
from mlops_tfx.validation.split_pairs import choose_pairs, pair_name


def test_defaults() -> None:
    assert choose_pairs(["a", "b"], ["b", "c"], None, default="same") == (("b", "b"),)
    every = (("a", "b"), ("a", "c"), ("b", "b"), ("b", "c"))
    assert choose_pairs(["a", "b"], ["b", "c"], None, default="all") == every


def test_wanted_pairs() -> None:
    assert choose_pairs(["a", "b"], ["b", "c"], (("b", "c"), ("a", "b")), default="same") == (("a", "b"), ("b", "c"))
    assert pair_name(("train", "eval")) == "train_eval"


def test_wrong_pairs() -> None:
    with pytest.raises(ConfigError, match="there is no test split 'trian'; did you mean 'train'.*no base split 'x'"):
        choose_pairs(["train"], ["train"], (("trian", "train"), ("train", "x")), default="all")
    with pytest.raises(ConfigError, match=r"splits=\['a'\] and base splits=\['b'\]; name pairs"):
        choose_pairs(["a"], ["b"], None, default="same")
