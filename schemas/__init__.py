"""What flows: record families, tokens, money, time, ids and topics."""
