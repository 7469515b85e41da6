"""InfraValidator: a real server, in a process of its own, loads the model and answers requests.

component.py   the component: the tries, the verdict
servers.py     which server: tensorflow_model_server, Docker, or the embedded one
process.py     a server as a process of this machine
docker.py      a server in a container
requests.py    what is asked: rows of the examples as requests of every signature
answers.py     what is wrong with an answer
validation.py  one try: load, ask, compare, measure
warmup.py      the model with its requests as warmup records
"""

from mlops_tfx.components.infra_validator.component import InfraValidator

__all__ = ["InfraValidator"]
