"""What a running job needs of a model: bundle, trees, reasons, the shelf of signed bundles."""
