"""What telecom clues say of the payer: calls, sites, apps, SIM and device; without one nothing is known."""

import numpy as np

from models.features.catalogue import feature
from models.features.legs import HOUR_S, LegRow
from models.ledgers import clues
from schemas.rows.compiled import inlined

MINUTE_S = 60.0

#: What began longer ago has ended, though nobody said so: a lost message makes nobody's call endless.
_LASTS_MIN = 240.0

#: Contact this long ago says nothing of a payment now.
_OLD_H = 168.0


@inlined
def _goes_on_min(leg: LegRow, kind: int) -> float:
    """Return for how many minutes something has gone on, nan if it does not."""
    return leg.payer.clue_since_s[kind] / MINUTE_S if leg.payer.clue_goes_on >> kind & 1 else np.nan


@inlined
def _now_min(leg: LegRow, kind: int) -> float:
    """Return the same of what lasts hours at most."""
    minutes = _goes_on_min(leg, kind)
    return minutes if minutes <= _LASTS_MIN else np.nan


@inlined
def _ago_h(leg: LegRow, kind: int) -> float:
    """Return how many hours ago something was, nan if it never was or long ago."""
    hours = leg.payer.clue_since_s[kind] / HOUR_S
    return hours if hours < _OLD_H else np.nan


@feature(credit="PAYER_GUIDED", version=2)
def strange_call_min(leg: LegRow) -> float:
    """Minutes the payer has been in a call with an unknown or foreign number, now."""
    return float(_now_min(leg, clues.CALL))


@feature(credit="PAYER_GUIDED")
def longest_strange_call_min(leg: LegRow) -> float:
    """Longest call with an unknown or foreign number that ended in the last hour, minutes."""
    return float(leg.payer.clue_longest_s / MINUTE_S)


@feature(credit="PAYER_GUIDED")
def strange_callers_1d(leg: LegRow) -> float:
    """Distinct unknown or foreign numbers in a call with the payer in a day (estimate)."""
    return float(leg.payer.clue_callers_1d)


@feature(credit="PAYER_GUIDED")
def graded_contact_h(leg: LegRow) -> float:
    """Hours since the payer was in contact with a number known as a scammer's."""
    return float(leg.payer.clue_graded_s / HOUR_S)


@feature(credit="PAYER_GUIDED")
def unproved_call_h(leg: LegRow) -> float:
    """Hours since a call came whose number its network does not vouch for (STIR/SHAKEN attestation C)."""
    return float(leg.payer.clue_unproved_s / HOUR_S)


@feature(credit="PAYER_GUIDED", version=2)
def screen_shared_min(leg: LegRow) -> float:
    """Minutes the payer's screen has been shared, by the operator's or app's word."""
    return float(_now_min(leg, clues.SCREEN_SHARE))


@feature(credit="PAYER_GUIDED", version=2)
def remote_controlled_min(leg: LegRow) -> float:
    """Minutes the payer's device has been controlled remotely, by the operator's or app's word."""
    return float(_now_min(leg, clues.REMOTE_CONTROL))


@feature(credit="PAYER_GUIDED")
def app_installed_h(leg: LegRow) -> float:
    """Hours since an app that is not of a store was installed."""
    return float(_ago_h(leg, clues.APP))


@feature(credit="PAYER_GUIDED")
def scam_message_h(leg: LegRow) -> float:
    """Hours since the payer got a message that an operator marked."""
    return float(_ago_h(leg, clues.SMS))


@feature(credit="PAYER_GUIDED")
def scam_site_h(leg: LegRow) -> float:
    """Hours since the payer reached a site that is listed."""
    return float(_ago_h(leg, clues.URL))


@feature(credit="PAYER_GUIDED")
def sim_swapped_h(leg: LegRow) -> float:
    """Hours since the payer's SIM was changed."""
    return float(_ago_h(leg, clues.SIM_SWAP))


@feature(credit="PAYER_GUIDED")
def device_swapped_h(leg: LegRow) -> float:
    """Hours since the payer's SIM moved to another device."""
    return float(_ago_h(leg, clues.DEVICE_SWAP))


@feature(credit="PAYER_GUIDED")
def calls_forwarded_h(leg: LegRow) -> float:
    """Hours since calls to the payer have been forwarded, nan if they are not."""
    return float(_goes_on_min(leg, clues.FORWARDING) / 60.0)


@feature(credit="DECEIVED_BEFORE")
def watched_h(leg: LegRow) -> float:
    """Hours since the payer was talked out of a scam, while he is watched for it; scammers come back."""
    return float(leg.payer.watched_s / HOUR_S)
