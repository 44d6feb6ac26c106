"""What `stopline stress` found, as tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from console.views import tables as plain

_SECTIONS = ("mix", "worst_tactic", "required_fields_only", "base_rate", "ordinary_model", "easy_world")


def tables(found: Mapping[str, Any]) -> Iterator[Table]:
    """Yield what is held, in all and by tactic, and whom it harms."""
    held = plain.figures(
        "", "held on arrival", "or before exit", "innocents per 10,000", "disturbed per victim", "oracle",
        title=f"mix {found['mixes']}: scam value, bundle {found['bundle']}", names="",
    )  # fmt: skip
    for name in _SECTIONS:
        _add(held, name, found[name])
    yield held
    yield _beside(found["ordinary_model"])
    single = plain.figures(
        "", "held on arrival", "or before exit", "cases", "oracle", title="by tactic, same point", names=""
    )
    for name, each in found["tactics"].items():
        single.add_row(
            name, f"{each['held_on_arrival']:.1%}", f"{each['held_before_exit']:.1%}", f"{each['cases']:.0f}",
            f"{each['oracle']:.1%}",
        )  # fmt: skip
    yield single
    for title, groups in {**found["harm"], **_evened(found["even_by_age"])}.items():
        harm = plain.figures(
            "", "held per 10,000", "interval", "good payments", title=f"harm by {title}", names=""
        )
        for each in groups:
            harm.add_row(
                each["name"] or "unknown", f"{each['innocent_holds_per_10k']:.2f}",
                f"{each['low_per_10k']:.2f} to {each['high_per_10k']:.2f}", f"{each['good_payments']:,}",
            )  # fmt: skip
        yield harm


def _evened(even: Mapping[str, Any]) -> dict[str, Any]:
    """Name the harm where each age band has thresholds of its own, with what is held then."""
    costs = f"{even['held_on_arrival']:.1%} held on arrival, {even['held_before_exit']:.1%} before exit"
    return {
        f"age_band, thresholds for each ({costs})": even["age_band"],
        "age_band_debit, thresholds for each": even["age_band_debit"],
    }


def _beside(ordinary: Mapping[str, Any]) -> Table:
    """Lay out how ours and the oracle compare with the ordinary model at 5 good payments of 10,000."""
    table = plain.figures(
        "",
        "times the ordinary model",
        "interval",
        title="held on arrival, 5 of 10,000 good payments",
        names="",
    )
    for name, words in (("ours", "ours"), ("oracle_times", "the oracle: what can be known")):
        each = ordinary[name]
        low_high = each["interval"]
        span = f"{low_high[0]:.2f} to {low_high[1]:.2f}" if low_high else ""
        table.add_row(words, f"{each['times']:.2f}", span)
    return table


def fields(found: Mapping[str, Any]) -> Table:
    """Lay out what each optional field is worth."""
    table = plain.figures(
        "without", "held on arrival", "or before exit", "as the only one", "or before exit",
        title="scam value held without each optional field", names="without",
    )  # fmt: skip
    for name, each in found.items():
        both = [each] if name in ("all", "none") else [each["without"], each["alone"]]
        label = {"all": "nothing: all are sent", "none": "all of them"}.get(name, name)
        table.add_row(
            label, *(f"{side[key]:.1%}" for side in both for key in ("held_on_arrival", "held_before_exit"))
        )
    return table


def _add(table: Table, name: str, each: Mapping[str, Any]) -> None:
    low_high = each.get("interval", {}).get("held_on_arrival")
    span = f" ({low_high[0]:.0%} to {low_high[1]:.0%})" if low_high else ""
    table.add_row(
        name, f"{each['held_on_arrival']:.1%}{span}", f"{each['held_before_exit']:.1%}",
        f"{each['innocents_per_10k']:.2f}", f"{each['disturbed_per_victim']:,.1f}", f"{each['oracle']:.1%}",
    )  # fmt: skip
