"""Signs that somebody guides the payer or uses his device."""

import numpy as np

from models.features.catalogue import feature
from models.features.legs import LegRow, signal, since_h
from schemas.rows.transfers import CALL_IN_PROGRESS, REMOTE_CONTROL, SCREEN_SHARE


@feature(credit="PAYER_GUIDED")
def remote_control(leg: LegRow) -> float:
    """1 if a remote-control app runs on the payer's device."""
    return signal(leg, REMOTE_CONTROL)


@feature(credit="PAYER_GUIDED")
def screen_share(leg: LegRow) -> float:
    """1 if the payer's screen is shared."""
    return signal(leg, SCREEN_SHARE)


@feature(credit="PAYER_GUIDED")
def call_in_progress(leg: LegRow) -> float:
    """1 if the payer is in a call."""
    return signal(leg, CALL_IN_PROGRESS)


@feature(credit="PAYER_GUIDED", debit="CONTEXT")
def new_device_h(leg: LegRow) -> float:
    """Hours since the device was first seen with this payer."""
    hours = leg.transfer.new_device_age_h
    return np.nan if hours < 0 else float(hours)


@feature(credit="PAYER_GUIDED", debit="CONTEXT")
def limit_raised_h(leg: LegRow) -> float:
    """Hours since the payer's limit was raised."""
    return since_h(leg, leg.transfer.limit_changed_at_us)
