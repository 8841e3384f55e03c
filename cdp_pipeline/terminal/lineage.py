"""What a definition reads and who reads it, as a tree."""

from typing import TYPE_CHECKING

from rich.tree import Tree

from cdp_pipeline.terminal import _out, _plainly, print_json

if TYPE_CHECKING:
    from cdp_pipeline.operations.lineage import Lineage


def show_lineage(found: "Lineage", as_json: bool) -> None:
    """Two trees: down to the events, and up to the last reader."""
    if as_json:
        print_json(found)
        return
    reads = Tree(f"{_named(found)} reads")
    _add_reads(reads, found)
    _out().print(reads)
    if found.read_by:
        readers = Tree(f"{_named(found)} is read by")
        _add_readers(readers, found)
        _out().print(readers)


def _named(found: "Lineage") -> str:
    return f"{found.kind.replace('_', '-')} {_plainly(found.id)}"


def _add_reads(tree: Tree, found: "Lineage") -> None:
    for events in found.events:
        tree.add(_plainly(events))
    for each in found.reads:
        _add_reads(tree.add(_named(each)), each)


def _add_readers(tree: Tree, found: "Lineage") -> None:
    for each in found.read_by:
        _add_readers(tree.add(_named(each)), each)
