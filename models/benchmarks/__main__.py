"""Run the public benchmarks: `python -m models.benchmarks [fdh fdh_product s_ffsd sichuan …]`.

Prints published, reproduced and our figures and writes bench/benchmarks.json. Data come from the folder that
STOPLINE_DATA names, else from ../shared/data.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from models.benchmarks import amlsim, fdh, fdh_product, s_ffsd, sichuan
from models.benchmarks.report import Benchmark, Figures, Speed
from schemas.errors import StoplineError

RUNS = {
    "fdh": fdh.run,
    "fdh_product": fdh_product.run,
    "s_ffsd": s_ffsd.run,
    "sichuan": sichuan.run,
    "amlsim": amlsim.run,
    "training": fdh.training,
    "fdh_other_worlds": fdh.other_worlds,
}
DEFAULT = ("fdh", "fdh_product", "s_ffsd", "sichuan", "amlsim", "training")
HEADS = {"auc": "AUC", "ap": "AP", "cp100": "CP@100", "rows": "rows", "processor_s": "processor s"}
ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "bench" / "benchmarks.json"


def data_folder() -> Path:
    """Folder of the public data."""
    return Path(os.environ.get("STOPLINE_DATA", ROOT.parent / "shared" / "data"))


def show(benchmark: Benchmark) -> Table:
    """Lay out one benchmark as a table."""
    table = Table(title=benchmark.title, caption=benchmark.note, title_justify="left", caption_justify="left")
    table.add_column("")
    for name in asdict(benchmark.ours):
        table.add_column(HEADS[name], justify="right")
    for what, figures in benchmark.lines:
        table.add_row(what, *_cells(figures))
    table.add_row("ours", *_cells(benchmark.ours), style="bold")
    return table


def _cells(figures: Figures | Speed) -> list[str]:
    return [
        "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
        for value in asdict(figures).values()
    ]


def _known(figures: Figures | Speed) -> dict[str, Any]:
    return {name: value for name, value in asdict(figures).items() if value is not None}


def write(benchmarks: list[Benchmark], output: Path) -> None:
    """Write our figures by key; keys of benchmarks that did not run keep what stood there."""
    written = json.loads(output.read_text()) if output.exists() else {}
    for benchmark in benchmarks:
        beside = {"published": benchmark.published, "oracle": benchmark.oracle}
        written[benchmark.key] = _known(benchmark.ours) | {
            name: _known(figures) for name, figures in beside.items() if figures is not None
        }
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(written, indent=1) + "\n")


def main() -> int:
    """Run what the arguments name, `DEFAULT` by default."""
    parser = argparse.ArgumentParser(prog="python -m models.benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"some of {', '.join(RUNS)}; {', '.join(DEFAULT)} by default"
    )
    names = parser.parse_args().names or list(DEFAULT)
    console = Console()
    if unknown := set(names) - set(RUNS):
        console.print(f"There is no benchmark {', '.join(sorted(unknown))}; choose among {', '.join(RUNS)}.")
        return 2
    for name in names:
        try:
            benchmarks = RUNS[name](data_folder())
        except StoplineError as error:
            console.print(str(error))
            return 1
        for benchmark in benchmarks:
            console.print(show(benchmark))
        write(benchmarks, OUTPUT)
    console.print(f"Written to {OUTPUT.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
