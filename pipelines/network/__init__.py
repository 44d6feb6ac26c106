"""Questions to operators' network APIs while a payment is decided, such as whether its payer is in a call."""
