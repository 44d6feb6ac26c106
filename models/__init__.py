"""How it is learned: features, training, evaluation, model bundles, public benchmarks."""

from pathlib import Path

#: The bundle that comes with the package.
SHIPPED = Path(__file__).parent / "shipped"
