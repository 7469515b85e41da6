"""TFX's own module names, and component classes written for TFX: pipelines for TFX run here unchanged.

    mlops-tfx run --as-tfx pipeline.py          on the command line
    python -m mlops_tfx.compat script.py ...    any script, such as a test
    mlops_tfx.compat.install()                  in a notebook, before the first import of tfx

Afterwards ``from tfx import v1 as tfx``, ``from tfx.types import standard_artifacts`` and all other imports of ``tfx``
are served by the table in `mlops_tfx.compat.names`: from TFX's modules to ours.

    names.py             the table
    finder.py            serves imports from it
    script.py            runs a script with it
    component_spec.py    ComponentSpec and its parameters
    class_component.py   BaseComponent: component classes as nodes
    executors.py         what does their work; executor_specs.py: which, and where; drivers.py: what is asked before;
                         calling.py: with what they are called
    standard_executors.py, standard_specs.py    executors and specs of the standard components, to derive from
    example_gen/         ExampleGens with custom executors and drivers
    containers/          components whose work is a command in a container
    artifact_lists.py, example_formats.py, files.py and the rest    what executors import, module by module
"""

from mlops_tfx.compat.finder import install, uninstall

__all__ = ["install", "uninstall"]
