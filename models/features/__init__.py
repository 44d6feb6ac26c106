"""Features of a payment leg: a catalogue of pure functions by name, the same in the stream and in training.

The two legs ask different questions: the credit leg whether this payee is a mule and this payer a victim now,
the debit leg whether suspicious money is leaving. So a feature says on which legs it is a column, and for
which reason it speaks there.

**To add a feature** write one function in a module of this package, a new one or one of its theme:

    @feature(credit="PAYEE_NEW", debit="PAYEE_NEW")
    def payee_age_h(leg: LegRow) -> float:
        \"\"\"Hours since the payer first saved or paid this payee.\"\"\"
        return since_h(leg, leg.transfer.payee_added_at_us)

The function's name is the column's. It is compiled: plain arithmetic on what `LegRow` holds, nan for "not
known", helpers in `models.features.legs`. The reason code is one of `models/scoring/reasons.yaml`; a new one
needs its words there. Nothing else changes: modules of this package are found by themselves, a bundle keeps
the names and versions it was trained on, the decision log gets the column from now on, and training takes it
up. **To change what a feature computes** raise its `version=`; bundles trained on the old one are refused.
"""

import pkgutil
from importlib import import_module

from models.features.catalogue import CATALOGUE, Feature, computable, feature, groups, versions
from models.features.legs import AGE_DAYS_MAX, FloatArray, LegRow, Legs
from models.features.loops import columns, matrix, prepare

__all__ = [
    "AGE_DAYS_MAX",
    "CATALOGUE",
    "Feature",
    "FloatArray",
    "LegRow",
    "Legs",
    "columns",
    "computable",
    "feature",
    "groups",
    "matrix",
    "prepare",
    "versions",
]

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)
