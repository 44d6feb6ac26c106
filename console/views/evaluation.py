"""The figures of `stopline evaluate`."""

import json
from typing import Any

from rich.console import Console

from console.views import tables


def show(found: dict[str, Any], *, as_json: bool) -> None:
    """Print what was measured."""
    if as_json:
        print(json.dumps(found, indent=1, allow_nan=False))
        return
    console = Console(highlight=False)
    console.print(f"bundle {found['bundle']}, policy {found['policy']}, on {found['source']}", soft_wrap=True)
    if said := _learned_from(**found["learned_from"]):
        console.print(said, soft_wrap=True)
    for leg, figures in found["legs"].items():
        table = tables.figures(
            "point", "scam value", "false per true", "innocent per 10,000", "alerts per 10,000",
            title=f"{leg} leg: {figures['payments']:,.0f} payments, {figures['scams']:,.0f} scams",
            names="point",
        )  # fmt: skip
        for name, point in figures["points"].items():
            table.add_row(
                name, f"{point['value_detection']:.1%}", _number(point["false_per_true"], 2),
                f"{point['innocent_holds_per_10k']:.2f}", f"{point['alerts_per_10k']:.2f}",
            )  # fmt: skip
        console.print(table)
        console.print(
            f"AUC {_number(figures['auc'], 4)}, "
            f"average precision {_number(figures['average_precision'], 3)}, wrongful-hold minutes "
            f"per 10,000 good payments {figures['wrongful_hold_minutes_per_10k']:,.0f}",
            soft_wrap=True,
        )
        minutes = figures["wrongful_hold_minutes"]
        if minutes["median"] is not None:
            console.print(
                f"a wrongful hold lasts {minutes['median']:,.0f} minutes in the median, "
                f"{minutes['p95']:,.0f} for the longest twentieth"
            )
        for group in figures["calibration"][-2:]:
            console.print(
                f"calibration, {group['rows']:,} rows: predicted {group['predicted']:.5f}, "
                f"observed {group['observed']:.5f}"
            )
        for kind, each in figures["segments"].items():
            console.print(f"held per 10,000 good payments by {kind}: {_parity(each)}", soft_wrap=True)
        if "region" not in figures["segments"]:
            console.print("by region: not known, payments do not name the payer's region")
    table = tables.figures(
        "point", "held as it arrived", "caught leaving a mule", "lost", "false per true",
        "innocent per 10,000", title="both legs: scam money, and payments held on either", names="point",
    )  # fmt: skip
    for name, both in found["together"].items():
        shares = (both[key] for key in ("held_as_it_arrived", "caught_leaving_a_mule", "lost"))
        table.add_row(
            name, *("none" if share is None else f"{share:.1%}" for share in shares),
            _number(both["false_per_true"], 2), f"{both['innocent_holds_per_10k']:.2f}",
        )  # fmt: skip
    console.print(table)
    console.print(_frozen(found["cases"], found["cases_frozen"], found["minutes_to_freeze_median"]))


def _learned_from(payments: int, *, measured: bool) -> str:
    if not payments:
        return ""
    if measured:
        return (
            f"the bundle learned from {payments:,} of these payments and knows them by heart: life will be "
            "worse than these figures; measure on later days"
        )
    return f"left out: {payments:,} payments up to the last of those that the bundle learned from"


def _frozen(cases: int, frozen: int, minutes: float | None) -> str:
    if not cases:
        return "no scam case is named in the labels, so how soon a case is frozen is not known"
    if minutes is None:
        return f"0 of {cases} cases frozen"
    return f"{frozen} of {cases} cases frozen, median {minutes:,.1f} minutes after the first scam payment"


def _parity(segments: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{each['name']} {each['innocent_holds_per_10k']:.2f} "
        f"({each['low_per_10k']:.2f}-{each['high_per_10k']:.2f}) of {each['good_payments']:,}"
        for each in segments
    )


def _number(value: float | None, digits: int) -> str:
    return "none" if value is None else f"{value:,.{digits}f}"
