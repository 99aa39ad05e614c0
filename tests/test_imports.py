"""The import rules of the house, checked on the syntax trees."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    path.relative_to(ROOT) for top in ("pipeline", "stages") for path in (ROOT / top).rglob("*.py")
)
HEAVY = {"torch", "transformers", "huggingface_hub", "safetensors"}
VALUES = {"amounts", "stage", "layout", "manifest", "errors", "files", "paths", "schema", "sheet"}
COMMANDS = {
    "board",
    "diff",
    "experiments",
    "expansion",
    "inspect",
    "reproduce",
    "rollback",
    "unpack",
    "verify",
}
"""Those of ``python -m pipeline.X``, and what a sweep asks the experiments for."""
PRINTERS = {"pipeline/console.py", "pipeline/progress.py"}
RENAMERS = {"pipeline/files.py"}


def imports(path: Path, everywhere: bool) -> Iterator[tuple[str, bool]]:
    """Give each imported module, and whether it is imported when the module is."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))

    def walk(node: ast.AST, top: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            if isinstance(child, ast.Import):
                yield from ((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                if child.module in ("pipeline", "stages", "stages.common"):
                    yield from ((f"{child.module}.{a.name}", top) for a in child.names)
                else:
                    yield child.module, top
            yield from walk(child, top and not inside and not typing)

    return ((name, top) for name, top in walk(tree, True) if everywhere or top)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_heavy_libraries_are_imported_where_they_are_used(path):
    if path.parts[:2] == ("stages", "miniature"):
        return
    loaded = {name.partition(".")[0] for name, _ in imports(path, everywhere=False)}
    assert not loaded & HEAVY


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_dora_is_imported_only_by_the_miniature(path):
    names = {name.partition(".")[0] for name, _ in imports(path, everywhere=True)}
    assert "audiocraft" not in names
    assert "dora" not in names or path.parts[:2] == ("stages", "miniature")


@pytest.mark.parametrize("path", [p for p in MODULES if p.parts[0] == "pipeline"], ids=str)
def test_the_engine_knows_no_stage(path):
    command = path.stem in COMMANDS
    for name, top in imports(path, everywhere=True):
        assert name.partition(".")[0] not in HEAVY
        if name.partition(".")[0] == "stages":
            assert command and not top and name.startswith("stages.common")


@pytest.mark.parametrize("path", [p for p in MODULES if p.parts[0] == "stages"], ids=str)
def test_a_stage_imports_only_value_types_and_what_stages_share(path):
    own = path.parts[1] if len(path.parts) > 2 else path.stem
    for name, _ in imports(path, everywhere=True):
        parts = name.split(".")
        if parts[0] == "pipeline":
            assert parts[1] in VALUES | {"__version__"}
        if parts[0] == "stages" and len(parts) > 1:
            assert parts[1] in ("common", own), f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_one_package_talks_to_the_hub(path):
    names = {name.partition(".")[0] for name, _ in imports(path, everywhere=True)}
    inside = path.parent == Path("stages/common/hub")
    assert "huggingface_hub" not in names or inside


def _calls(path: Path) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_one_module_prints_and_none_but_the_entry_point_exits(path):
    calls = _calls(path)
    entry = path.name == "__main__.py" or path.stem in {"app", "train", *COMMANDS}
    assert "print" not in calls or path.as_posix() in PRINTERS
    assert not calls & {"sys.exit", "exit", "os._exit", "quit"} or entry


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_one_module_renames_files_into_place(path):
    renames = {"os.rename", "os.replace", "shutil.move"} & _calls(path)
    assert not renames or path.as_posix() in RENAMERS


def test_importing_the_entry_point_and_the_stages_loads_nothing_heavy():
    code = (
        "import sys, pipeline.job, stages.collect, stages.export_lm, stages.export_compression,"
        "stages.export_transformers, stages.validate, stages.package, stages.push, stages.train;"
        "heavy = ('torch', 'dora', 'huggingface_hub', 'numpy', 'transformers', 'safetensors');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr
