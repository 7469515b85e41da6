"""Lists what TFX's examples and templates use of TFX: imports, and names reached through ``tfx.v1``.

    python tests/golden/tfx_imports/make.py <site-packages>/tfx > tests/golden/tfx_imports/imports.json

Nothing is imported; any Python will do. Made from TFX 1.16.0. A name is written ``module:name``, a module ``module``.
"""

from __future__ import annotations

import ast
import collections
import json
import os
import sys
from collections.abc import Iterator

FOLDERS = ("examples", "experimental/templates")
OWN = ("tfx.examples", "tfx.experimental")
# What is imported for the sake of TFX's own end-to-end tests.
TESTS = ("_test.py", "_e2e_test.py", "e2e_test_utils.py", "test_utils.py", "container_based_test_case.py")


def used_in(tree: ast.Module) -> Iterator[str]:
    """Names of TFX that a file uses."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tfx":
            for alias in node.names:
                yield f"{node.module}:{alias.name}"
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "tfx":
                    yield alias.name
                    aliases[alias.asname or "tfx"] = alias.name if alias.asname else "tfx"
    for node in ast.walk(tree):
        chain = dotted(node)
        if chain and aliases.get(chain[0]) == "tfx.v1" and len(chain) > 2:
            yield f"tfx.v1.{'.'.join(chain[1:-1])}:{chain[-1]}"


def dotted(node: ast.AST) -> list[str]:
    """The names of ``a.b.c``; none for anything else."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return [*before, node.attr] if before else []
    return []


def main(root: str) -> None:
    """Prints the names with the number of files that use them."""
    files: collections.Counter[str] = collections.Counter()
    for base in FOLDERS:
        for folder, _, names in os.walk(os.path.join(root, base)):
            for name in names:
                if name.endswith(".py") and not name.endswith(TESTS):
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        files.update(set(used_in(ast.parse(file.read()))))
    json.dump({name: files[name] for name in sorted(files) if not name.startswith(OWN)}, sys.stdout, indent=0)


if __name__ == "__main__":
    main(sys.argv[1])
