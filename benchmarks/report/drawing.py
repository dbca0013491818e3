"""What all figures share: panels, and SVG text that is the same for the same data."""

import io
from typing import Any


def panels(down: int, across: int, width: float, height: float) -> tuple[Any, Any]:
    """A matplotlib figure and its axes ``(down, across)``, each ``width`` x ``height`` inches."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.hashsalt": "sonozoo", "svg.fonttype": "none", "font.size": 9, "text.parse_math": False}
    figure, axes = plt.subplots(down, across, figsize=(width * across, height * down), squeeze=False)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def svg(figure: Any) -> str:
    """The figure as text; it is closed."""
    import matplotlib.pyplot as plt

    figure.tight_layout()
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()
