"""Idea 3 of 3, the backward pass: messages from the output to the inputs.

Each node collects the gradients that its children send (they add up, since the node
reached the output through all of them), and when the last has arrived it sends on one
message per parent: its VJP applied to the sum. A node needs to know its own primitive
and nothing else of the graph.
"""

from collections.abc import Iterator

from .tracing import Node


def backward_pass(outgrads: dict[Node, object]) -> dict[Node, object]:
    """Gradients of the inputs, from the gradients ``outgrads`` of the end nodes.

    Returns a dictionary from each input node that was reached to its gradient.
    """
    outgrads = dict(outgrads)
    for node in toposort(list(outgrads)):
        if not node.parents:
            continue
        outgrad = outgrads.pop(node)
        vjps = node.fun.vjps
        for argnum, parent in enumerate(node.parents):
            if parent is None:
                continue
            try:
                message = vjps[argnum](outgrad, node.value, *node.args, **node.kwargs)
            except Exception as error:
                error.add_note(f"in the VJP of {node.fun.__name__}, argument {argnum}")
                raise
            if parent in outgrads:
                message = outgrads[parent] + message
            outgrads[parent] = message
    return outgrads


def toposort(ends: list[Node]) -> Iterator[Node]:
    """Each node that the ends depend on, after all of its children.

    Kahn's algorithm with an explicit stack: linear in the size of the graph, and no
    recursion, however long the chain. No end may be listed twice.
    """
    children = dict.fromkeys(ends, 0)
    stack = list(ends)
    while stack:
        for parent in stack.pop().parents:
            if parent in children:
                children[parent] += 1
            elif parent is not None:
                children[parent] = 1
                stack.append(parent)
    ready = [node for node in ends if not children[node]]
    while ready:
        node = ready.pop()
        yield node
        for parent in node.parents:
            if parent is not None:
                children[parent] -= 1
                if not children[parent]:
                    ready.append(parent)
