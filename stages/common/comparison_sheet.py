"""A comparison as a page for people, and as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from pipeline.amounts import apart, many
from pipeline.sheet import Fields, Grid, Part, Remark, Sheet, Title
from stages.common.checks import listed
from stages.common.comparison import ComparedFile, Comparison
from stages.common.history import valid_json
from stages.common.tensor_changes import ChangedTensor, TensorChanges
from stages.common.value_changes import ValueChanges

FORMAT = 1
"""Raised when a reader of the format before would misread it."""

MOST = 20
"""Rows of a table that are shown unless all are asked for."""

_MANY_TIMES = 10.0
"""From here on a change is told in times what was there: percents of next to nothing say little."""

_NAMES = ("A", "B")


def sheet(found: Comparison, all_rows: bool = False) -> Sheet:
    """Set out a comparison: the verdict, the files, then what is different in each."""
    return tuple(_parts(found, None if all_rows else MOST))


def file_parts(file: ComparedFile, most: int | None, names: tuple[str, str]) -> Iterator[Part]:
    """Set out what is different in one file.

    Args:
        file: one that is not the same.
        most: how many rows a table may have; ``None`` for all.
        names: of the two sides, for the heads of columns.
    """
    if file.values:
        yield _values(f"Values in {file.name}", file.values, most, names)
    if file.tensors:
        yield _tensors(f"Tensors in {file.name}", file.tensors, most, names)
        yield from _one_sided(file.tensors, names)
    yield from file.faults
    if file.unexplained:
        what = f"{file.name}: the same values and tensors; what differs is elsewhere in the file."
        yield Remark("hint", what)


def sizes(file: ComparedFile) -> tuple[str, str]:
    """Write the sizes of a file on both sides, so that they read differently where they are."""
    left, right = file.sizes
    shown = apart(
        left if left is not None else right or 0, right if right is not None else left or 0
    )
    return "-" if left is None else shown[0], "-" if right is None else shown[1]


def document(found: Comparison, what: tuple[str, str]) -> dict[str, Any]:
    """Give the same as JSON values, with all rows."""
    return {
        "format": FORMAT,
        "a": {"what": what[0], "place": found.places[0]},
        "b": {"what": what[1], "place": found.places[1]},
        "identical": found.identical,
        "files": [file_document(file) for file in found.files],
        "metrics": _values_document(found.metrics),
    }


def file_document(file: ComparedFile) -> dict[str, Any]:
    """Give a file of a comparison as JSON values."""
    return {
        "names": list(file.names),
        "sizes": list(file.sizes),
        "sha256": [digest or None for digest in file.digests],
        "verdict": file.verdict,
        "told": list(file.told),
        "values": _values_document(file.values),
        "tensors": _tensors_document(file.tensors),
        "faults": [asdict(fault) for fault in file.faults],
    }


def _parts(found: Comparison, most: int | None) -> Iterator[Part]:
    yield Title("Two that are the same" if found.identical else "What is different")
    told = [next(filter(None, (f.told[side] for f in found.files)), "") for side in (0, 1)]
    lone = len(found.files) == 1
    places = [
        f"{place}, {what}" if lone and what else place
        for place, what in zip(found.places, told, strict=True)
    ]
    rows = tuple(zip(_NAMES, places, strict=True))
    yield Fields((*rows, ("verdict", _verdict(found))))
    files = tuple((file.name, *sizes(file), file.verdict) for file in found.files)
    yield Grid(("file", "A", "B", ""), files, "Files")
    if found.metrics:
        yield _values("Metrics", found.metrics, most, _NAMES, numbers=True)
    for file in found.different:
        yield from file_parts(file, most, _NAMES)


def _verdict(found: Comparison) -> str:
    if found.identical:
        return "identical"
    different = f"{many(len(found.different), 'file')} of {len(found.files)} different"
    tensors = sum(len(file.tensors.changed) for file in found.files)
    values = sum(len(file.values.keys) for file in found.files)
    more = [many(values, "value")] if values else []
    more += [many(tensors, "tensor")] if tensors else []
    return ": ".join([different, ", ".join(more)] if more else [different])


def _values(
    title: str,
    changes: ValueChanges,
    most: int | None,
    names: tuple[str, str],
    numbers: bool = False,
) -> Grid:
    rows = []
    for key in changes.keys:
        left, right = _both(changes, key)
        row = (key, "-" if left is None else left, "-" if right is None else right)
        rows.append((*row, _rise(changes, key)) if numbers else row)
    header = ("key", *names, "change") if numbers else ("key", *names)
    return Grid(header, tuple(rows[:most]), title, _rest(len(rows), most))


def _both(changes: ValueChanges, key: str) -> tuple[str | None, str | None]:
    """Give the value on both sides as text; ``None`` where there is no such key."""
    if key in changes.changed:
        left, right = changes.changed[key]
        return _text(left), _text(right)
    if key in changes.gone:
        return _text(changes.gone[key]), None
    return None, _text(changes.new[key])


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _rise(changes: ValueChanges, key: str) -> str:
    left, right = changes.changed.get(key, (0.0, 0.0))
    if not left:
        return ""
    rise = (right - left) / abs(left)
    return f"{rise:+.2%}" if abs(rise) < _MANY_TIMES else f"{rise:+.3g} x"


def _tensors(title: str, changes: TensorChanges, most: int | None, names: tuple[str, str]) -> Grid:
    moved = changes.moved
    others = [tensor for tensor in changes.changed if tensor.change is None]
    rows = [*map(_row, moved), *map(_row, others)]
    header = ("tensor", "dtype", "shape", "changed", "largest", "relative")
    together = changes.together
    note = f"{len(changes.changed)} of {changes.compared} tensors changed"
    if moved:
        note += f", by {_share(together.relative)} together"
    rest = _rest(len(rows), most)
    return Grid(header, tuple(rows[:most]), title, f"{note}; {rest}" if rest else note)


def _row(tensor: ChangedTensor) -> tuple[str, ...]:
    dtype = " → ".join(dict.fromkeys(tensor.dtypes))
    shape = " → ".join(dict.fromkeys(map(_shape, tensor.shapes)))
    change = tensor.change
    if change is None:
        return (tensor.name, dtype, shape, "damaged" if tensor.fault else "all", "-", "-")
    largest = f"{change.largest:.3g}" + (", NaN or Inf" if change.immeasurable else "")
    share = f"{change.changed:,} of {change.elements:,}"
    return (tensor.name, dtype, shape, share, largest, _share(change.relative))


def _share(value: float) -> str:
    if value >= _MANY_TIMES:
        return f"{value:.3g} x"
    return f"{value:.2%}" if value >= 1e-4 or not value else f"{100 * value:.1g}%"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _one_sided(changes: TensorChanges, names: tuple[str, str]) -> Iterator[Part]:
    for name, tensors in zip(names, (changes.gone, changes.new), strict=True):
        if tensors:
            what = f"Only in {name}: {many(len(tensors), 'tensor')}, {listed(tensors, 6)}."
            yield Remark("hint", what)


def _rest(count: int, most: int | None) -> str:
    return f"{count - most} more: --all shows them" if most is not None and count > most else ""


def _values_document(changes: ValueChanges) -> dict[str, Any]:
    found: Mapping[str, Any] = {
        "compared": changes.compared,
        "changed": {key: list(values) for key, values in changes.changed.items()},
        "only_in_a": changes.gone,
        "only_in_b": changes.new,
    }
    return dict(valid_json(found))


def _tensors_document(changes: TensorChanges) -> dict[str, Any]:
    rows = [
        {
            "name": tensor.name,
            "dtypes": list(tensor.dtypes),
            "shapes": [list(shape) for shape in tensor.shapes],
            "fault": tensor.fault or None,
            **_change_document(tensor),
        }
        for tensor in (*changes.moved, *(t for t in changes.changed if t.change is None))
    ]
    found = {
        "compared": changes.compared,
        "changed": rows,
        "only_in_a": list(changes.gone),
        "only_in_b": list(changes.new),
        "largest_difference": changes.together.largest,
        "relative_difference": changes.together.relative,
    }
    return dict(valid_json(found))


def _change_document(tensor: ChangedTensor) -> dict[str, Any]:
    change = tensor.change
    if change is None:
        return {"elements": None, "changed": None, "largest": None, "relative": None}
    return {
        "elements": change.elements,
        "changed": change.changed,
        "immeasurable": change.immeasurable,
        "largest": change.largest,
        "relative": change.relative,
    }
