"""No module of the package needs, while it is loaded, one that needs it."""

import ast
import graphlib
from pathlib import Path

import ranvier as rv

ROOT = Path(rv.__file__).parent


def test_no_imports_go_in_a_circle():
    files = {".".join(("ranvier", *f.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): f for f in ROOT.rglob("*.py")}
    needed: dict[str, set[str]] = {}
    for module, file in files.items():
        own = needed[module] = set()
        for line in ast.parse(file.read_text(encoding="utf-8")).body:  # not those within functions, nor those for types alone
            if isinstance(line, ast.ImportFrom) and line.module in files:
                own.update(f"{line.module}.{name.name}" if f"{line.module}.{name.name}" in files else line.module for name in line.names)
            elif isinstance(line, ast.Import):
                own.update(name.name for name in line.names if name.name in files)
        own.discard(module)
    assert sum(map(len, needed.values())) > len(files)
    graphlib.TopologicalSorter(needed).prepare()  # it names a circle where there is one
