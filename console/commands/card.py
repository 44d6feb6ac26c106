"""`stopline card`: what a bundle is for, what was measured, whom a false stop harms."""

import typer

from console.lab import summary
from console.options import BundleFolder
from models.scoring import bundle

app = typer.Typer(add_completion=False)


@app.command()
def card(model_bundle: BundleFolder) -> None:
    """Print a bundle's model card after checking the bundle.

    Example: stopline card models/shipped
    """
    loaded = bundle.load(model_bundle)
    print(f"Bundle {loaded.version}, digest {loaded.digest}\n")
    print((model_bundle / "card.md").read_text(encoding="utf-8"), end="")
    if (found := summary.kept(model_bundle, loaded.version)) is not None:
        print("\n## Under stress\n", *summary.lines(found), sep="\n")
