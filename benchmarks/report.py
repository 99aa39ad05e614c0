"""The results as tables on a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.figures import MEGA, Figure, seconds
from benchmarks.methods import TEMPERATURES, methods
from benchmarks.process import Measured
from benchmarks.profile import Row
from benchmarks.push import METHODS, Pushes
from benchmarks.session import Results
from benchmarks.sweep import Sweeps

_VERDICTS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}
_PLAIN_WIDTH = 140


def as_json(results: Results) -> dict[str, Any]:
    """Give everything that was found; times in seconds, sizes in bytes."""
    memory = results.memory
    return {
        "scale": results.scale.name,
        "parameters": results.scale.model.parameters,
        "parameters_larger": results.scale.larger.parameters,
        "bytes": results.sizes,
        "machine": results.machine,
        "cached_before_cold": round(results.cached, 4),
        "figures": [_figure(figure) for figure in results.figures],
        "times": {
            f"{name}, {temperature}": _runs(runs)
            for (name, temperature), runs in results.timings.items()
        },
        "anonymous_bytes": {
            "exports": memory.exports,
            "exports_larger": memory.larger,
            "command": memory.command,
            "audiocraft": memory.audiocraft,
        },
        "gigabytes_per_second": {name: round(rate, 3) for name, rate in results.rates.items()},
        "profiles": {
            dtype: [{**row, "share": round(row["share"], 3)} for row in rows]
            for dtype, rows in results.profiles.items()
        },
    }


def pushes_as_json(pushes: Pushes) -> dict[str, Any]:
    """Give everything that was found of sending; times in seconds, sizes in bytes."""
    return {
        "bytes": pushes.scale.pushed,
        "machine": pushes.machine,
        "figures": [_figure(figure) for figure in pushes.figures],
        "times": {name: _runs(runs) for name, runs in pushes.timings.items()},
        "bytes_read": {
            name: max(int(run.result) for run in runs) for name, runs in pushes.timings.items()
        },
        "anonymous_bytes": pushes.memory,
    }


def sweeps_as_json(sweeps: Sweeps) -> dict[str, Any]:
    """Give everything that was found of sweeps; times in seconds, sizes in bytes."""
    return {
        "variants": sweeps.scale.variants,
        "machine": sweeps.machine,
        "figures": [_figure(figure) for figure in sweeps.figures],
        "runs": {
            name: {
                "seconds": round(run.seconds, 3),
                "anonymous_bytes": {"driver": run.driver, "worker": run.worker},
            }
            for name, run in sweeps.runs.items()
        },
    }


def console() -> Console:
    """Make the console to print on; it cuts no lines when nobody watches."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)


def show(results: Results, out: Console) -> None:
    """Print the times, the figures, and where the time goes."""
    out.print(_times(results))
    out.print(_figures(results.figures))
    out.print(_rates(results))
    for dtype, rows in results.profiles.items():
        out.print(_profile(dtype, rows))
    if results.cached > 0.01:
        kept = f"{results.cached:.0%} of a source was in memory before a cold run"
        out.print(f"[yellow]note[/] {kept}: this file system does not let go of it")


def show_pushes(pushes: Pushes, out: Console) -> None:
    """Print the ways to send a file, and the figures."""
    out.print(_pushes(pushes))
    out.print(_figures(pushes.figures))


def show_sweeps(sweeps: Sweeps, out: Console) -> None:
    """Print the figures of sweeps."""
    out.print(f"{sweeps.scale.variants} variants")
    out.print(_figures(sweeps.figures))


def _runs(runs: Sequence[Measured]) -> dict[str, Any]:
    return {
        "median": round(median(seconds(runs)), 4),
        "least": round(min(seconds(runs)), 4),
        "work": [round(run.seconds, 4) for run in runs],
        "process": [round(run.process, 4) for run in runs],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    least = None if figure.least is None else round(figure.least, 4)
    return {
        "name": figure.name,
        "unit": figure.unit,
        "value": round(figure.value, 4),
        "least": least,
        "limit": figure.limit,
        "met": figure.met,
    }


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=None, pad_edge=False, header_style="dim", title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _times(results: Results) -> Table:
    table = _table("seconds: median (least)", "method", *TEMPERATURES, "with its process, cold")
    for method in methods():
        cells = []
        for temperature in TEMPERATURES:
            took = seconds(results.timings[method.name, temperature])
            cells.append(f"{median(took):.2f} ({min(took):.2f})")
        whole = [run.process for run in results.timings[method.name, "cold"]]
        table.add_row(method.what, *cells, f"{median(whole):.2f} ({min(whole):.2f})")
    return table


def _pushes(pushes: Pushes) -> Table:
    columns = ("seconds: median (least)", "MB/s", "bytes read for each sent", "memory")
    table = _table("sending a file to a Hub on the loopback", "method", *columns)
    size = pushes.scale.pushed
    for name, runs in pushes.timings.items():
        took, read = seconds(runs), max(int(run.result) for run in runs)
        table.add_row(
            METHODS[name],
            f"{median(took):.2f} ({min(took):.2f})",
            f"{size / MEGA / median(took):.0f}",
            f"{read / size:.2f}",
            f"{pushes.memory[name] / MEGA:.1f} MB",
        )
    return table


def _figures(figures: list[Figure]) -> Table:
    table = _table("figures", "figure", "measured", "of minima", "at most", "")
    for figure in figures:
        least, limit = (
            "" if number is None else f"{number:.2f} {figure.unit}"
            for number in (figure.least, figure.limit)
        )
        value = f"{figure.value:.2f} {figure.unit}"
        table.add_row(figure.name, value, least, limit, _VERDICTS[figure.met])
    return table


def _rates(results: Results) -> Table:
    size = results.sizes["exported"]
    table = _table("each step alone, on one thread", "step", "GB/s", "seconds for the export")
    for name, rate in results.rates.items():
        table.add_row(name, f"{rate:.2f}", f"{size / 1e9 / rate:.2f}")
    return table


def _profile(dtype: str, rows: list[Row]) -> Table:
    table = _table(f"where the {dtype} export is, cold", "thread", "share", "line")
    table.columns[-1].justify = "left"
    for row in rows:
        line = escape(f"{row['place']}  {row['line']}")
        table.add_row(escape(str(row["thread"])), f"{row['share']:.0%}", line)
    return table
