"""The channels that carry tries out, behind one port (`port.py`)."""
