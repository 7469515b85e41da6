"""Exit handlers: a component that runs after the pipeline, however that ended, and is told how.

    @exit_handler
    def Notify(final_status: Parameter[str], channel: Parameter[str]) -> None:
        ...

    LocalRunner(exit_handler=Notify(final_status=FinalStatusStr(), channel="#ml")).run(pipeline)

TFX has them for Vertex AI only (``tfx.v1.orchestration.experimental``). The text is JSON as there, of the message
``PipelineTaskFinalStatus``: ``state`` is ``SUCCEEDED``, ``FAILED`` or ``CANCELLED``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import ResolutionError
from mlops_tfx.function_component import FunctionComponent, component
from mlops_tfx.placeholders import Placeholder

if TYPE_CHECKING:
    from mlops_tfx.placeholders import Known


class FinalStatusStr(str, Placeholder):  # type: ignore[misc]  # text first: it compares as text
    """Stands for how the run ended, among the arguments of an exit handler. Nowhere else: no node knows it."""

    def resolve(self, known: Known) -> str:
        raise ResolutionError(
            "FinalStatusStr() is only known after the run: give it to an exit handler, LocalRunner(exit_handler=...)"
        )


def exit_handler(func: Callable[..., Any]) -> type[FunctionComponent]:
    """Makes an exit handler of a function, as ``@component`` makes a component."""
    return component(func)
