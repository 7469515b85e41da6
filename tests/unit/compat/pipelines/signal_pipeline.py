"""An executor of a script, in TFX's idiom, that waits for a signal."""

import signal
import sys
import threading
from typing import Any

from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter


class Alarm(Exception):
    pass


def ring(number: int, frame: Any) -> None:
    raise Alarm


class Executor(base_executor.BaseExecutor):
    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        try:
            threading.Event().wait()
        except Alarm:
            output_dict["text"][0].value = f"{exec_properties['word']} in {standard_artifacts.String.TYPE_NAME}"


class AlarmSpec(types.ComponentSpec):
    PARAMETERS = {"word": ExecutionParameter(type=str)}
    INPUTS = {}
    OUTPUTS = {"text": ChannelParameter(type=standard_artifacts.String)}


class AlarmClock(base_component.BaseComponent):
    SPEC_CLASS = AlarmSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, word: str) -> None:
        super().__init__(spec=AlarmSpec(word=word, text=types.Channel(type=standard_artifacts.String)))


@tfx.dsl.components.component
def Show(text: str) -> None:
    print(f"heard {text}")


clock = AlarmClock("rang")
pipeline = tfx.dsl.Pipeline("signals", sys.argv[1], components=[clock, Show(text=clock.outputs["text"])])
tfx.orchestration.LocalDagRunner().run(pipeline)
