"""A component written for TFX whose executor waits for a signal, as only a main thread can; a function that does."""

from __future__ import annotations

import signal
import threading
from typing import Any

from mlops_tfx.artifacts import String
from mlops_tfx.channel import Channel
from mlops_tfx.compat.class_component import BaseComponent
from mlops_tfx.compat.component_spec import ChannelParameter, ComponentSpec
from mlops_tfx.compat.executor_specs import ExecutorClassSpec
from mlops_tfx.compat.executors import BaseExecutor
from mlops_tfx.function_component import component


class Alarm(Exception):
    """The alarm rang."""


class Waiting(BaseExecutor):
    """Sets an alarm, and waits for it."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        signal.signal(signal.SIGALRM, _ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            threading.Event().wait()
        except Alarm:
            output_dict["text"][0].value = f"the alarm rang in {threading.current_thread().name}"


def _ring(number: int, frame: Any) -> None:
    raise Alarm


class AlarmedSpec(ComponentSpec):
    PARAMETERS, INPUTS = {}, {}
    OUTPUTS = {"text": ChannelParameter(type=String)}


class Alarmed(BaseComponent):
    """Waits for an alarm."""

    SPEC_CLASS = AlarmedSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Waiting)

    def __init__(self) -> None:
        super().__init__(AlarmedSpec(text=Channel(type=String)))


@component
def Signalling() -> None:
    """Sets a signal handler."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
