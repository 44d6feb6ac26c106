"""How it is learned: features, training, evaluation, model bundles, public benchmarks."""
