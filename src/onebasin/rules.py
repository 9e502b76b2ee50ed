"""Decision rules of the ledger: small expressions over measured values, without ``eval``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from onebasin.errors import InputError

_BINARY: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type, Callable] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_UNARY: dict[type, Callable] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_CALLS: dict[str, Callable] = {"abs": abs, "min": min, "max": max}


def names(rule: str) -> frozenset[str]:
    """The measured quantities that a rule mentions, ``_lo`` and ``_hi`` included.

    Raises:
        InputError: if the rule is not a valid one.
    """
    tree = _parse(rule)
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = {node for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return frozenset(node.id for node in found - called)


def evaluate(rule: str, values: Mapping[str, float]) -> bool:
    """Whether ``rule`` holds for ``values``.

    A rule may hold names, numbers, ``True``/``False``, comparisons (chained ones too), ``and``,
    ``or``, ``not``, ``+ - * / **``, ``abs``, ``min``, ``max``. A value that is not a number (NaN)
    makes every rule that uses it false, whatever the rule says: what was not measured cannot hold.

    Args:
        rule: The expression.
        values: Value of every name in it.

    Raises:
        InputError: if the rule is not valid, a name is missing, or it does not decide.
    """
    tree = _parse(rule)
    used = names(rule)
    missing = sorted(used - set(values))
    if missing:
        raise InputError("rule", rule, f"needs the values of {missing}, which were not measured")
    if any(values[name] != values[name] for name in used):
        return False
    try:
        held = _value(tree.body, values)
    except (ZeroDivisionError, OverflowError, TypeError) as error:
        raise InputError("rule", rule, f"cannot be computed from the values ({error})") from error
    if not isinstance(held, bool):
        raise InputError("rule", rule, "must be a condition that is true or false")
    return held


def _parse(rule: str) -> ast.Expression:
    try:
        tree = ast.parse(rule.strip(), mode="eval")
    except (SyntaxError, AttributeError) as error:
        raise InputError("rule", rule, "is not an expression") from error
    for node in ast.walk(tree):
        if not _allowed(node):
            kind = type(node).__name__
            raise InputError("rule", rule, f"may not hold a {kind}; see onebasin.rules.evaluate")
    return tree


def _allowed(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (bool, int, float))
    if isinstance(node, ast.Call):
        known = isinstance(node.func, ast.Name) and node.func.id in _CALLS
        return known and not node.keywords and bool(node.args)
    plain = (ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.BinOp, ast.UnaryOp, ast.Compare)
    kinds = (*plain, ast.Name, ast.Load, *_BINARY, *_COMPARE, *_UNARY)
    return isinstance(node, kinds)


def _value(node: ast.AST, values: Mapping[str, float]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return values[name]
        case ast.BoolOp(op=op, values=parts):
            join = all if isinstance(op, ast.And) else any
            return join(bool(_value(part, values)) for part in parts)
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_value(operand, values))
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, values), _value(right, values))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _CALLS[name](*(_value(arg, values) for arg in args))
        case ast.Compare(left=left, ops=ops, comparators=others):
            held = [_value(part, values) for part in (left, *others)]
            pairs = zip(ops, held, held[1:], strict=False)
            return all(bool(_COMPARE[type(op)](one, two)) for op, one, two in pairs)
    raise InputError("rule", ast.dump(node), "cannot be evaluated")
