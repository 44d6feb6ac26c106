"""The same training and evaluation code on public data sets, one adapter per data set."""
