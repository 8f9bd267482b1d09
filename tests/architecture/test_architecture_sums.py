"""Python's ``sum`` adds whole numbers alone: since Python 3.12 it adds floats in another way than before.

A sum counts as whole if its items are made of fields, properties and functions that the package declares as ``int``,
and of lengths and products of shapes. Others are listed here, once somebody has looked; floats go through ``math.fsum``
or a loop.
"""

import ast

from test_architecture import FILES, read, shown

WHOLE = {
    "sum(-(-each.bits // dac_bits) for each in chosen.passes(activation_bits))",
    "sum(-(-outputs * result_bits(layer) // link_bits) for outputs in others)",
    "sum(arrays * crossbar.rows * crossbar.cols for arrays, crossbar in sizes)",
    "sum(count * size for count, size in zip(least, sizes))",
    "sum(count * size for count, size in zip(replicas, sizes))",
    "sum(draft.arrays for draft in drafts)",
    "sum(layer.arrays for layer in self.layers)",
    "sum(layer.cells for layer in self.layers)",
    "sum(layer.undecided(sharpness) for layer in layers.values())",
    "sum(part.reads for part in parts)",
    "sum(row[i] for row, i in zip(task.table[name], point))",
    "sum(shape[0] for shape in shapes)",
    "sum(shape[axis] for shape in inputs)",
    "sum(sizes[self.ifat[:, 0] == r].max() for r in range(self.round_count))",
    "sum(chips)",
    "sum(client.nthreads().values())",
    "sum(epitome.lookup_bits.values())",
    "sum(fills.values())",
    "sum(full[:shown])",
    "sum(held)",
    "sum(layer.epitome.table_bits.values())",
    "sum(least[:shown])",
}
"""Sums that look doubtful and add whole numbers, or tensors, which Python does not add itself."""
PLAIN = {"len", "int", "prod", "nbytes", "numel", "st_size", "shape", "size", "count"}
"""Functions and attributes that are whole wherever they come from."""


def declared():
    """Return the names that the package declares as ``int`` everywhere."""
    found = {}
    for path in FILES:
        for node in ast.walk(read(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns is not None:
                found.setdefault(node.name, set()).add(ast.unparse(node.returns))
            elif isinstance(node, ast.AnnAssign):
                name = node.target.attr if isinstance(node.target, ast.Attribute) else ast.unparse(node.target)
                found.setdefault(name, set()).add(ast.unparse(node.annotation))
    return {name for name, kinds in found.items() if kinds == {"int"}} | PLAIN


def is_whole(node, known):
    """Tell whether an expression is whole by its looks."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int)
        case ast.Compare() | ast.BoolOp():
            return True
        case ast.Attribute(attr=name) | ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in known or name.startswith(("is_", "has_"))
        case ast.Subscript(value=value):
            return is_whole(value, known)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv(), right=right):
            return is_whole(left, known) and is_whole(right, known)
        case ast.UnaryOp(operand=operand):
            return is_whole(operand, known)
        case ast.GeneratorExp(elt=item) | ast.ListComp(elt=item):
            return is_whole(item, known)
    return False


def write(item):
    """Return a sum as text, the same in every Python."""
    text = ast.unparse(item)
    return f"sum({text[1:-1] if isinstance(item, ast.GeneratorExp) else text})"


def list_sums(tree):
    """Return the arguments of all sums of a file."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [node.args[0] for node in calls if isinstance(node.func, ast.Name) and node.func.id == "sum"]


def list_whole():
    """Return the sums of ``WHOLE`` as this version of Python writes them; parentheses differ."""
    return {write(ast.parse(text, mode="eval").body.args[0]) for text in WHOLE}


def find_doubtful(tree, known):
    """Return the sums of a file that may add floats."""
    texts = [write(item) for item in list_sums(tree) if not is_whole(item, known)]
    return [text for text in texts if text not in list_whole()]


def test_every_listed_sum_occurs():
    assert list_whole() <= {write(item) for path in FILES for item in list_sums(read(path))}


def test_sums_of_floats_have_the_same_bits_in_every_python():
    known = declared()
    found = {shown(path): find_doubtful(read(path), known) for path in FILES}
    doubtful = {path: sums for path, sums in found.items() if sums}
    assert not doubtful, f"use math.fsum for floats; list sums of whole numbers in WHOLE: {doubtful}"


def test_a_sum_of_floats_is_found():
    known = {"arrays"} | PLAIN
    assert find_doubtful(ast.parse("sum(part.energy_joule for part in parts)"), known)
    assert find_doubtful(ast.parse("sum(values) / len(values)"), known)
    assert find_doubtful(ast.parse("sum(each.arrays * 0.5 for each in layers)"), known)
    assert not find_doubtful(ast.parse("sum(each.arrays * len(each.rows) for each in layers)"), known)
