"""The hot path: decode, payers, accounts, decide, warn, trace, log."""
