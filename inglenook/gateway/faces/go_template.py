"""Go's template language, as far as prompts are written in it: what a caller of Ollama's protocol sends as `template`.

Known are text, `{{- -}}`, comments, variables, `if`, `range`, `with`, `break`, `continue`, pipelines, fields, and Go's
own functions with Ollama's `json` and `currentDate`. Not known, and refused by name: `define`, `template`, `block`.

A template is somebody else's program: its size, its steps and what it writes are limited.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from inglenook.gateway.faces.go_syntax import ACTION, Block, Call, Command, Parser, Pipe, Text, Value, Word, wrong

MAX_SIZE = 16 * 1024
MAX_STEPS = 5_000
MAX_OUTPUT = 4 * 1024 * 1024
#: Characters a function may make for each step.
_PER_STEP = 256


class _Cut(Exception):
    """Here the answer begins."""


class _Leave(Exception):
    def __init__(self, word: str) -> None:
        self.word = word


class GoTemplate:
    """A template that can be rendered any number of times."""

    def __init__(self, text: str) -> None:
        """
        Raises:
            BadInput: it is no template, with what is wrong and in which line.
        """
        if len(text) > MAX_SIZE:
            raise wrong(f"{len(text)} characters, at most {MAX_SIZE} are taken")
        self._nodes = Parser(text, {*FUNCTIONS, "and", "or"}).all()
        self.uses = frozenset(re.findall(r"\.([A-Z]\w*)", " ".join(action[1] for action in ACTION.findall(text))))

    def render(self, values: dict[str, Any]) -> str:
        """The prompt, up to where it names `.Response`: there the answer begins.

        Raises:
            BadInput: it asks for what there is not, or does not come to an end.
        """
        run = _Run(values)
        try:
            run.all(self._nodes, values)
        except _Cut:
            pass
        except _Leave as leave:
            raise wrong(f"{leave.word} outside of range") from None
        except (TypeError, ValueError, IndexError, KeyError, OverflowError, RecursionError) as error:
            raise wrong(f"it cannot be rendered: {error}") from None
        return "".join(run.out)


class _Run:
    def __init__(self, values: dict[str, Any]) -> None:
        self.out: list[str] = []
        self._size = 0
        self._steps = 0
        self._scopes: list[dict[str, Any]] = [{"$": values}]

    def all(self, nodes: list[Any], dot: Any) -> None:
        for node in nodes:
            self._step()
            match node:
                case Text():
                    self._write(node.text)
                case Pipe():
                    value = self._pipe(node, dot)
                    if not node.names:
                        self._write(shown(value))
                case Word():
                    raise _Leave(node.word)
                case Block():
                    self._block(node, dot)

    def _step(self, more: int = 0) -> None:
        self._steps += 1 + more
        if self._steps > MAX_STEPS:
            raise wrong(f"it takes more than {MAX_STEPS} steps")

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_OUTPUT:
            raise wrong(f"it writes more than {MAX_OUTPUT} characters")
        self.out.append(text)

    def _block(self, block: Block, dot: Any) -> None:
        self._scopes.append({})
        try:
            if block.kind == "range":
                self._range(block, dot)
                return
            value = self._pipe(block.pipe, dot)
            inner = value if block.kind == "with" and value else dot
            self.all(block.body if value else block.otherwise, inner)
        finally:
            self._scopes.pop()

    def _range(self, block: Block, dot: Any) -> None:
        found = self._pipe(Pipe(block.pipe.commands), dot)
        items: list[tuple[Any, Any]]
        if isinstance(found, dict):
            items = sorted(found.items())
        elif isinstance(found, int) and not isinstance(found, bool):
            items = [(number, number) for number in range(min(found, MAX_STEPS + 1))]
        else:
            items = list(enumerate(found or ()))
        if not items:
            self.all(block.otherwise, dot)
            return
        names = block.pipe.names
        for place, item in items:
            self._step()
            given = [item] if len(names) == 1 else [place, item]
            self._scopes.append(dict(zip(names, given, strict=False)))
            try:
                self.all(block.body, item)
            except _Leave as leave:
                if leave.word == "break":
                    break
            finally:
                self._scopes.pop()

    def _pipe(self, pipe: Pipe, dot: Any) -> Any:
        value: Any = None
        for number, command in enumerate(pipe.commands):
            value = self._command(command, dot, [value] if number else [])
        for name in pipe.names:
            scope = self._scopes[-1] if pipe.declares else self._scope_of(name)
            scope[name] = value
        return value

    def _command(self, command: Command, dot: Any, piped: list[Any]) -> Any:
        self._step()
        first, *rest = command.operands
        if not isinstance(first, Call):
            if rest or piped:
                raise wrong("only functions can be given arguments")
            return self._operand(first, dot)
        if first.name in ("and", "or"):
            return self._logic(first.name == "or", rest, dot, piped)
        made = FUNCTIONS[first.name](*[self._operand(one, dot) for one in rest], *piped)
        if isinstance(made, str | list):
            self._step(len(made) // _PER_STEP)  # so that texts cannot be doubled without end
        return made

    def _logic(self, wanted: bool, operands: list[Any], dot: Any, piped: list[Any]) -> Any:
        """`or` (`wanted`) and `and`: what comes after the first that decides is not looked at."""
        value: Any = None
        for operand in operands:
            value = self._operand(operand, dot)
            if bool(value) == wanted:
                return value
        return piped[0] if piped else value

    def _operand(self, operand: Any, dot: Any) -> Any:
        if isinstance(operand, Value):
            return operand.value
        if isinstance(operand, Call):
            return FUNCTIONS[operand.name]()
        value = dot
        if isinstance(operand.root, Pipe):
            value = self._pipe(operand.root, dot)
        elif operand.root is not None:
            value = self._scope_of(operand.root)[operand.root]
        for name in operand.fields:
            if name == "Response" and value is self._scopes[0]["$"]:
                raise _Cut
            if not isinstance(value, dict) or name not in value:
                raise wrong(f"there is no .{name} here")
            value = value[name]
        return value

    def _scope_of(self, name: str) -> dict[str, Any]:
        scope: dict[str, Any]
        for scope in reversed(self._scopes):
            if name in scope:
                return scope
        raise wrong(f"undefined variable {name!r}")


def shown(value: Any) -> str:
    """A value as Go prints it, where prompts print one."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{' '.join(shown(item) for item in value)}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{shown(item)}' for key, item in sorted(value.items()))}]"
    return str(value)


def _printf(form: str, *values: Any) -> str:
    given = iter(values)

    def one(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        value = next(given, None)
        return json.dumps(value, ensure_ascii=False) if match[1] == "q" else shown(value)

    return re.sub(r"%%|%([svdqt])", one, form)


def _slice(value: Any, *places: int) -> Any:
    if any(not 0 <= place <= len(value) for place in places):
        raise IndexError("slice out of range")
    return value[slice(*places)] if len(places) > 1 else value[(places or (0,))[0] :]


def _index(value: Any, *places: Any) -> Any:
    for place in places:
        if isinstance(value, dict):
            value = value.get(place)
        elif isinstance(place, int) and 0 <= place < len(value):
            value = value[place]
        else:
            raise IndexError(f"index {place} out of range")
    return value


def _date(*_: Any) -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "not": lambda value: not bool(value),
    "eq": lambda one, *others: any(one == other for other in others),
    "ne": lambda one, other: one != other,
    "lt": lambda one, other: one < other,
    "le": lambda one, other: one <= other,
    "gt": lambda one, other: one > other,
    "ge": lambda one, other: one >= other,
    "len": len,
    "index": _index,
    "slice": _slice,
    "print": lambda *values: "".join(shown(value) for value in values),
    "println": lambda *values: " ".join(shown(value) for value in values) + "\n",
    "printf": _printf,
    "json": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    "currentDate": _date,
}
