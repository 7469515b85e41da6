"""What statistics are computed by: plain data that every process of a run works by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """What the statistics of one split are computed by; plain data, so that it can be compared, sent and stored.

    Attributes:
        tfdv: JSON text of a ``tfdv.StatsOptions`` without sampling and without semantic domain statistics.
        sample_rate: share of rows to look at.
        semantic: whether semantic domain statistics are computed.
        semantic_sample_rate: share of rows to look at for these.
        slices: per slice, its features with their values.
        slice_functions: dotted paths.
        generators: dotted paths.
    """

    tfdv: str
    sample_rate: float = 1.0
    semantic: bool = False
    semantic_sample_rate: float = 1.0
    slices: tuple[tuple[tuple[str, tuple[int | str, ...] | None], ...], ...] = ()
    slice_functions: tuple[str, ...] = ()
    generators: tuple[str, ...] = ()

    @property
    def counts_rows(self) -> bool:
        """Whether the statistics hold the number of rows: TFDV's usual generators count them."""
        return bool(json.loads(self.tfdv).get("_add_default_generators", True))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        fields: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Settings:
        """The opposite of `to_dict`. Raises TypeError or ValueError for anything else."""
        slices = tuple(
            tuple((str(name), None if values is None else tuple(values)) for name, values in slice_by)
            for slice_by in fields["slices"]
        )
        lists = {name: tuple(map(str, fields[name])) for name in ("slice_functions", "generators")}
        return cls(**{**fields, "slices": slices, **lists})

    @classmethod
    def of(cls, options: Any) -> Settings:
        """The settings that a ``tfdv.StatsOptions`` stands for.

        TFDV would sample whole batches, at random: far too coarse, and different in every run. Here rows are sampled.

        Raises:
            ValueError: the options hold Python objects (generators, slice functions), which are no plain data.
        """
        options = type(options).from_json(options.to_json())
        rate, semantic = options.sample_rate, bool(options.enable_semantic_domain_stats)
        semantic_rate = options.semantic_domain_stats_sample_rate
        options.sample_rate = options.semantic_domain_stats_sample_rate = None
        options.enable_semantic_domain_stats = False
        return cls(options.to_json(), rate or 1.0, semantic, (semantic_rate or 1.0) if semantic else 1.0)
