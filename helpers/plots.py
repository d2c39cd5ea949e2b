"""The look of the course's pictures, and pictures that several lectures draw."""

from collections.abc import Sequence

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from numpy.typing import NDArray

# Okabe & Ito (2008): colours that colour-blind readers tell apart, dark ones first.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def use_style() -> None:
    """Set size, fonts and colours for the pictures that follow in this process."""
    mpl.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=COLORS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.constrained_layout.use": True,
            "figure.dpi": 80,
            "figure.figsize": (7, 4),
            "font.size": 12,
            "legend.frameon": False,
            "lines.linewidth": 2,
        }
    )


def label_points(
    ax: Axes, points: NDArray, words: Sequence[str], color: str = COLORS[0]
) -> None:
    """Draw words as labelled dots.

    Args:
        ax: where to draw.
        points: (n, 2), the place of each word.
        words: n labels.
        color: of the dots; the labels are dark, so that they can be read.
    """
    ax.scatter(*points.T, color=color, s=18)
    for (x, y), word in zip(points, words, strict=True):
        ax.annotate(word, (x, y), xytext=(4, 3), textcoords="offset points", size=10)
