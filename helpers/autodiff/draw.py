"""The computation graph of a function as a picture."""

import html
import inspect
import io
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as onp

from .backward import toposort
from .containers import flatten
from .operators import checked
from .tracing import Node, trace

INPUT, STEP, CONSTANT, OUTPUT = "#cfe3f7", "#ffffff", "#eeeeee", "#fde3bf"


class Drawing:
    """A picture that notebooks display; ``svg`` is its text."""

    def __init__(self, svg: str, summary: str):
        self.svg = svg
        self.summary = summary

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return self.summary


def draw(fun: Callable, *args: Any) -> Drawing:
    """Trace ``fun(*args)`` and draw the graph from its inputs down to its outputs.

    One oval per input (blue), one box per primitive (the outputs orange), plain text
    for the constants, each with its value if it is a number and else its shape.
    Graphviz lays it out where ``dot`` is installed, otherwise matplotlib does.
    """
    parameters = list(inspect.signature(fun).parameters)
    inputs, _, rebuild = flatten(args)
    names = []
    for arg, parameter in zip(args, parameters, strict=False):
        names += flatten(arg, parameter)[1]
    inputs = [checked(x, name) for x, name in zip(inputs, names, strict=True)]
    _, ends, roots = trace(lambda boxes: flatten(fun(*rebuild(boxes)))[0], inputs)
    ends = list(dict.fromkeys(end for end in ends if end is not None))
    nodes, edges = _graph(ends, dict(zip(roots, names, strict=True)))
    steps = sum(node["fill"] in (STEP, OUTPUT) for node in nodes)
    summary = f"graph: {len(roots)} inputs, {steps} primitives"
    title = getattr(fun, "__name__", "graph")
    lay_out = _with_graphviz if shutil.which("dot") else _with_matplotlib
    return Drawing(lay_out(nodes, edges, title), summary)


def _graph(ends, names):
    """Nodes (label, fill, shape), parents first, and edges between their places."""
    ordered: list[Node] = [*toposort(ends)][::-1]
    nodes: list[dict] = []
    edges: list[tuple[int, int]] = []
    places: dict[Node, int] = {}
    for node in ordered:
        sources = []
        for arg, parent in zip(node.args, node.parents, strict=True):
            if parent is not None:
                sources.append(places[parent])
            elif isinstance(arg, float | int | onp.number | onp.ndarray):
                sources.append(len(nodes))
                nodes.append(dict(label=_describe(arg), fill=CONSTANT, shape="plain"))
        edges += [(source, len(nodes)) for source in sources]
        places[node] = len(nodes)
        name = names.get(node) or node.fun.__name__
        fill = OUTPUT if node in ends else INPUT if node in names else STEP
        shape = "ellipse" if node in names else "box"
        label = f"{name}\n{_describe(node.value)}"
        nodes.append(dict(label=label, fill=fill, shape=shape))
    return nodes, edges


def _describe(value):
    if onp.ndim(value) == 0:
        return f"{float(value):.4g}"
    return str(onp.shape(value))


def _with_graphviz(nodes, edges, title):
    lines = [
        'digraph { rankdir=TB; nodesep=0.3; ranksep=0.35; bgcolor="white";',
        f'tooltip="{html.escape(title)}";',
        'node [fontname="Helvetica", fontsize=12, style=filled, margin="0.12,0.06"];',
        "edge [arrowsize=0.7];",
    ]
    for i, node in enumerate(nodes):
        label = html.escape(node["label"]).replace("\n", "<br/>")
        lines.append(
            f'{i} [label=<{label}>, fillcolor="{node["fill"]}", shape={node["shape"]}];'
        )
    lines += [f"{a} -> {b};" for a, b in edges] + ["}"]
    done = subprocess.run(
        ["dot", "-Tsvg"],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


def _with_matplotlib(nodes, edges, title):
    """Rows by distance from the inputs; in a row, near the middle of one's parents."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    parents: list[list[int]] = [[] for _ in nodes]
    for source, target in edges:
        parents[target].append(source)
    rows = [0] * len(nodes)
    for i in range(len(nodes)):
        rows[i] = 1 + max((rows[p] for p in parents[i]), default=-1)
    for source, _ in edges:
        if not parents[source]:  # constants and inputs go just above their first use
            rows[source] = min(rows[b] for a, b in edges if a == source) - 1
    x = _columns(rows, parents)

    width, height = 1.7 * (max(x) - min(x) + 1), 0.95 * (max(rows) + 1)
    with rc_context({"svg.hashsalt": "graph", "svg.fonttype": "none"}):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(min(x) - 0.5, max(x) + 0.5)
        axes.set_ylim(-max(rows) - 0.5, 0.5)
        boxes = {"ellipse": "round,pad=0.5,rounding_size=1", "box": "square,pad=0.4"}
        for i, node in enumerate(nodes):
            axes.text(
                x[i],
                -rows[i],
                node["label"],
                ha="center",
                va="center",
                fontsize=9,
                bbox={
                    "boxstyle": boxes.get(node["shape"], "square,pad=0.2"),
                    "facecolor": node["fill"],
                    "edgecolor": "none" if node["shape"] == "plain" else "black",
                },
            )
        for source, target in edges:  # under the boxes, with the arrow's head halfway
            start, end = (x[source], -rows[source]), (x[target], -rows[target])
            middle = tuple(0.4 * a + 0.6 * b for a, b in zip(start, end, strict=True))
            axes.plot(*zip(start, end, strict=True), color="black", lw=1, zorder=0)
            arrow = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", middle, start, arrowprops=arrow, zorder=0)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Title": title})
    return file.getvalue()


def _columns(rows, parents):
    """A column for each node: the free one nearest to the mean of its parents'."""
    x: list[float] = [0.0] * len(rows)
    taken: dict[int, set[float]] = {}
    for i in sorted(range(len(rows)), key=lambda i: rows[i]):
        wish = sum(x[p] for p in parents[i]) / len(parents[i]) if parents[i] else 0.0
        row = taken.setdefault(rows[i], set())
        free = [wish + d / 2 for d in range(-2 * len(rows), 2 * len(rows) + 1)]
        free = [c for c in free if all(abs(c - other) >= 1 for other in row)]
        x[i] = min(free, key=lambda c: (abs(c - wish), c))
        row.add(x[i])
    return x
