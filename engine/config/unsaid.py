"""What came from the environment is in no problem's text: it may be a secret, and problems are printed and pasted.

Our own texts show a value as it is written (`ScalarNode.shown`). A text that others make of a value (a plugin's
validator, a compiler of patterns) is made a second time, from the file as it is written: only what is said then, or
would be said of any value, is told.
"""

from engine.config.problems import Problem, Report
from engine.config.tree import Entry, ListNode, MapNode, Node, ScalarNode, scalars


def put_in(node: Node) -> list[str]:
    """Every text below the node into which something was put, as it is written: `https://${env:EHR_HOST}/r4`."""
    return list(dict.fromkeys(scalar.written for _, scalar in scalars(node) if scalar.written is not None))


def as_written(node: Node) -> Node:
    """The same tree, with nothing put in."""
    match node:
        case ScalarNode(written=str() as written):
            return ScalarNode(node.place, written, written, node.quoted, written)
        case ListNode():
            return ListNode(node.place, [as_written(item) for item in node.items])
        case MapNode():
            entries = {key: Entry(entry.key, as_written(entry.value)) for key, entry in node.entries.items()}
            return MapNode(node.place, entries)
    return node


def told(said: str, again: str | None, node: Node) -> str:
    """What may be told of `said`, a text about something in the node. `again`: what is said of the same thing when
    the node is read as it is written; None if that is nothing."""
    written = put_in(node)
    if again is not None and (said == again or any(text in again for text in written)):
        return again
    listed = " and ".join(f"`{text}`" for text in written)
    return (
        f"cannot be used with what is put in for {listed}; why is not told, as that could show a secret: "
        "write a value in its place to see it"
    )


def tell(problems: Report, again: Report, node: Node, report: Report) -> None:
    """Report the problems that were found in the node; `again` holds those of the node as it is written."""
    texts = {_where(problem): problem.text for problem in again.sorted()}
    for problem in problems.sorted():
        report.add(problem.code, problem.place, problem.path, told(problem.text, texts.get(_where(problem)), node))


def _where(problem: Problem) -> tuple[object, ...]:
    return problem.place, problem.code, problem.path
