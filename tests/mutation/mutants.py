"""Every small change of a Python source that could be a mistake: mutants, for measuring tests.

The operators are the usual ones (relation, connective, constant, arithmetic, a statement left out: DeMillo, Lipton and
Sayward 1978) and two for closed lists: an element left out, and one member of an enumeration for another. Annotations,
docstrings, decorators, names of types and sentences for people are left alone: they decide nothing.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

_RELATIONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add}
_TYPES = frozenset({"Literal", "tuple"})
_SENTENCE = 4  # words from which on a text is for people
_UNTOUCHED = frozenset({"annotation", "returns", "decorator_list", "bases", "ctx", "targets", "keywords"})
Item = TypeVar("Item")
Node = TypeVar("Node", bound=ast.AST)

_HOLDERS = (ast.Module, ast.ClassDef, ast.FunctionDef)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed source: the line that changed, what was there and what is there now, and the whole."""

    line: int
    change: str
    source: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A node's place in its parent: a field, and where in it when the field is a list."""

    parent: ast.AST
    name: str
    index: int | None

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.name, node)
        else:
            getattr(self.parent, self.name)[self.index] = node


def mutants(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module's source, each of them once."""
    tree = ast.parse(source)
    for holder in ast.walk(tree):
        if isinstance(holder, _HOLDERS) and ast.get_docstring(holder) is not None:
            holder.body = holder.body[1:] or [ast.Pass()]
    enumerations = _enumerations(tree)
    seen = {ast.unparse(tree)}
    for place, node in list(_places(tree)):
        if isinstance(node, ast.Tuple) and isinstance(place.parent, ast.Tuple | ast.GeneratorExp):
            continue  # a pair that is unpacked: half of it only crashes
        for changed in _changes(node, enumerations):
            place.put(ast.copy_location(changed, node))
            text = ast.unparse(tree)
            place.put(node)
            if text not in seen:
                seen.add(text)
                yield Mutant(node.lineno, f"{_brief(node)}  =>  {_brief(changed)}", text)


def _enumerations(tree: ast.Module) -> dict[str, list[str]]:
    """Return the members of each enumeration that the module defines."""
    found: dict[str, list[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
            found[node.name] = [ast.unparse(each.targets[0]) for each in node.body if isinstance(each, ast.Assign)]
    return found


def _places(parent: ast.AST) -> Iterator[tuple[_Place, ast.stmt | ast.expr]]:
    """Yield every statement and expression that decides something, with its place."""
    for name, value in ast.iter_fields(parent):
        if name in _UNTOUCHED or _names_a_type(parent):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.stmt | ast.expr):
                yield _Place(parent, name, index), child
            if isinstance(child, ast.AST):
                yield from _places(child)


def _names_a_type(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in _TYPES


def _changes(node: ast.stmt | ast.expr, enumerations: dict[str, list[str]]) -> Iterator[ast.stmt | ast.expr]:
    if isinstance(node, ast.stmt):
        yield from _of_a_statement(node)
    elif isinstance(node, ast.Compare):
        yield from _of_a_comparison(node)
    elif isinstance(node, ast.Set | ast.Tuple | ast.Dict):
        yield from _of_a_list(node)
    else:
        yield from _of_an_expression(node, enumerations)


def _of_a_statement(node: ast.stmt) -> Iterator[ast.stmt]:
    match node:
        case ast.Expr(value=ast.Yield() | ast.YieldFrom() | ast.Call()) | ast.Return():
            yield ast.Pass()
        case ast.If(test=test):
            yield from (_but(node, test=each) for each in (ast.Constant(value=True), ast.Constant(value=False)))
            yield _but(node, test=ast.UnaryOp(ast.Not(), test))


def _of_a_comparison(node: ast.Compare) -> Iterator[ast.expr]:
    for at, op in enumerate(node.ops):
        for other in _RELATIONS[type(op)]:
            yield _but(node, ops=[*node.ops[:at], other(), *node.ops[at + 1 :]])
    if len(node.ops) > 1:  # 0 <= a <= b: each half alone
        yield _but(node, ops=node.ops[:-1], comparators=node.comparators[:-1])
        yield _but(node, left=node.comparators[0], ops=node.ops[1:], comparators=node.comparators[1:])


def _of_a_list(node: ast.Set | ast.Tuple | ast.Dict) -> Iterator[ast.expr]:
    if isinstance(node, ast.Dict):
        for keys, values in zip(_without_one(node.keys), _without_one(node.values), strict=True):
            yield _but(node, keys=keys, values=values)
    else:
        yield from (_but(node, elts=rest) for rest in _without_one(node.elts) if rest)


def _of_an_expression(node: ast.expr, enumerations: dict[str, list[str]]) -> Iterator[ast.expr]:
    match node:
        case ast.BoolOp(op=op, values=values):
            yield _but(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            yield from (_one_of(node, rest) for rest in _without_one(values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right):
            yield from (left, right)
            if type(op) in _ARITHMETIC:
                yield _but(node, op=_ARITHMETIC[type(op)]())
        case ast.Constant(value=value):
            yield from (ast.Constant(value=other) for other in _other_values(value))
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in enumerations.get(name, ()):
            members = enumerations[name]
            yield _but(node, attr=members[(members.index(attribute) + 1) % len(members)])


def _one_of(node: ast.BoolOp, values: Sequence[ast.expr]) -> ast.expr:
    return values[0] if len(values) == 1 else _but(node, values=list(values))


def _without_one(values: Sequence[Item]) -> Iterator[list[Item]]:
    for at in range(len(values)):
        yield [*values[:at], *values[at + 1 :]]


def _other_values(value: object) -> tuple[bool | int | str, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return (value + 1, value - 1)
    if isinstance(value, str):
        return (f"{value}_",) if len(value.split()) < _SENTENCE else ()
    return ("",) if value is None else ()


def _but(node: Node, **changed: object) -> Node:
    """Return the node with other fields; what it does not change is shared."""
    other = copy.copy(node)
    for name, value in changed.items():
        setattr(other, name, value)
    return other


def _brief(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
