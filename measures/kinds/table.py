"""The table of kinds of measures: every module of this folder that has a `MACHINE` is a row.

A new kind is its name in `schemas.order.MeasureKind`, its rule in `measures.law.rules`, a module here, and a
section in the file of each country that has it.
"""

import importlib
import pkgutil
from collections.abc import Mapping

from measures import kinds
from measures.state.machine import Machine
from schemas.order import MeasureKind


def _found() -> dict[MeasureKind, Machine]:
    names = sorted(module.name for module in pkgutil.iter_modules(kinds.__path__) if module.name != "table")
    modules = [importlib.import_module(f"{kinds.__name__}.{name}") for name in names]
    return {machine.kind: machine for machine in (module.MACHINE for module in modules)}


MACHINES: Mapping[MeasureKind, Machine] = _found()
