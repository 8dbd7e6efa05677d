"""The syntax of Go's templates: text and actions, read into nodes (`go_template` renders them)."""

import re
from collections.abc import Container
from typing import Any, NamedTuple

from msgspec import Struct, field

from inglenook.kit.errors import BadInput

_DEPTH = 50

ACTION = re.compile(r"\{\{(- )?(.*?)( -)?\}\}", re.DOTALL)
_COMMENT = re.compile(r"\s*/\*.*?\*/\s*", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)+')
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<field>\.[A-Za-z_]\w*)
    |(?P<variable>\$\w*)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<mark>:=|[.|(),=])
    )""",
    re.VERBOSE,
)
_OPENING = ("if", "range", "with")


class Token(NamedTuple):
    """A piece of an action. `apart`: white space is before it, which parts `.A.B` from `.A .B`."""

    kind: str
    text: str
    apart: bool


class Text(Struct):
    """Written as it is."""

    text: str


class Command(Struct):
    """An operand with arguments; a function's name is a `word`."""

    operands: list[Any]


class Value(Struct):
    """A literal."""

    value: Any


class Path(Struct):
    """Fields of something: of the dot (`root` None), a variable (its name), or what is in parentheses."""

    root: Any
    fields: list[str]


class Call(Struct):
    """A function by its name."""

    name: str


class Pipe(Struct):
    """Commands, each given what the one before it made; the last one's is kept in `names`, if there are any."""

    commands: list[Command]
    names: list[str] = field(default_factory=list)
    declares: bool = True


class Block(Struct):
    """`if`, `range` or `with`."""

    kind: str
    pipe: Pipe
    body: list[Any]
    otherwise: list[Any]


class Word(Struct):
    """`break` or `continue`."""

    word: str


def wrong(what: str) -> BadInput:
    """The error of a template."""
    return BadInput(f"template: {what}", field="template")


class Parser:
    """Reads one template.

    Args:
        functions: Names that may be called.
    """

    def __init__(self, text: str, functions: Container[str]) -> None:
        self._functions = functions
        self._pieces: list[tuple[str, str, int]] = []  # kind, text, line
        self._at = 0
        self._line = 1
        self._depth = 0
        place = 0
        trim = False
        for match in ACTION.finditer(text):
            before = text[place : match.start()]
            before = before.lstrip() if trim else before
            self._pieces.append(("text", before.rstrip() if match[1] else before, 0))
            if not _COMMENT.fullmatch(match[2]):
                self._pieces.append(("action", match[2].strip(), text.count("\n", 0, match.start()) + 1))
            place, trim = match.end(), bool(match[3])
        rest = text[place:]
        if "{{" in rest:
            raise wrong(f"line {text.count(chr(10), 0, place + rest.index('{{')) + 1}: unclosed action")
        self._pieces.append(("text", rest.lstrip() if trim else rest, 0))

    def all(self) -> list[Any]:
        """Its nodes.

        Raises:
            BadInput: it is no template.
        """
        nodes, ended = self._list()
        if ended:
            raise self._wrong(f"unexpected {ended}")
        return nodes

    def _wrong(self, what: str, line: int = 0) -> BadInput:
        return wrong(f"line {line or self._line}: {what}")

    def _list(self) -> tuple[list[Any], str]:
        """Nodes up to an `end` or `else`, which is told."""
        nodes: list[Any] = []
        while self._at < len(self._pieces):
            kind, text, line = self._pieces[self._at]
            self._at += 1
            if kind == "text":
                if text:
                    nodes.append(Text(text))
                continue
            self._line = line
            word = text.partition(" ")[0]
            if word in ("end", "else"):
                return nodes, text
            if word in ("define", "template", "block"):
                raise self._wrong(f"{word} is not known here")
            if word in _OPENING:
                nodes.append(self._block(word, text[len(word) :]))
            elif text in ("break", "continue"):
                nodes.append(Word(text))
            else:
                nodes.append(self._pipe(text))
        return nodes, ""

    def _block(self, kind: str, condition: str) -> Block:
        line = self._line
        self._depth += 1
        if self._depth > _DEPTH:
            raise self._wrong("nested too deeply")
        pipe = self._pipe(condition)
        body, ended = self._list()
        otherwise: list[Any] = []
        if ended != "end" and ended.startswith("else"):
            rest = ended[4:].strip()
            word = rest.partition(" ")[0]
            if word in ("if", "with"):
                otherwise = [self._block(word, rest[len(word) :])]
                ended = "end"  # the one `end` closes both
            elif rest:
                raise self._wrong(f"unexpected {rest!r} after else")
            else:
                otherwise, ended = self._list()
        if ended != "end":
            raise self._wrong(f"{kind} has no end" if not ended else f"unexpected {ended}", 0 if ended else line)
        self._depth -= 1
        return Block(kind, pipe, body, otherwise)

    def _pipe(self, text: str) -> Pipe:
        tokens = self._tokens(text)
        names: list[str] = []
        declares = True
        for at, token in enumerate(tokens):
            if token.text in (":=", "=") and token.kind == "mark":
                names = [one.text for one in tokens[:at] if one.kind == "variable"]
                if not names or len(names) * 2 - 1 != at:
                    raise self._wrong("a variable is wanted before :=")
                declares = token.text == ":="
                tokens = tokens[at + 1 :]
                break
        commands, place = self._commands(tokens, 0)
        if place != len(tokens):
            raise self._wrong(f"unexpected {tokens[place].text!r}")
        return Pipe(commands, names, declares)

    def _tokens(self, text: str) -> list[Token]:
        tokens, place = [], 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None:
                raise self._wrong(f"unexpected {text[place:].strip()[:20]!r}")
            kind = match.lastgroup or ""
            tokens.append(Token(kind, match[kind], match.start(kind) > place))
            place = match.end()
        return tokens

    def _commands(self, tokens: list[Token], place: int) -> tuple[list[Command], int]:
        commands = []
        while True:
            operands: list[Any] = []
            while (place < len(tokens) and tokens[place].text not in ("|", ")")) or (
                place < len(tokens) and tokens[place].kind == "string"
            ):
                operand, place = self._operand(tokens, place)
                operands.append(operand)
            if not operands:
                raise self._wrong("missing value for command")
            commands.append(Command(operands))
            if place >= len(tokens) or tokens[place].text == ")":
                return commands, place
            place += 1

    def _operand(self, tokens: list[Token], place: int) -> tuple[Any, int]:
        token = tokens[place]
        place += 1
        operand: Any
        if token.kind == "string":
            return Value(_text_of(token.text)), place
        if token.kind == "number":
            return Value(float(token.text) if "." in token.text else int(token.text)), place
        if token.kind == "word":
            known = {"true": True, "false": False, "nil": None}
            return (Value(known[token.text]) if token.text in known else self._call(token.text)), place
        if token.kind == "field":
            operand = Path(None, [token.text[1:]])
        elif token.kind == "variable":
            operand = Path(token.text, [])
        elif token.text == ".":
            return Path(None, []), place
        elif token.text == "(":
            self._depth += 1
            if self._depth > _DEPTH:
                raise self._wrong("nested too deeply")
            commands, place = self._commands(tokens, place)
            if place >= len(tokens) or tokens[place].text != ")":
                raise self._wrong("a parenthesis is not closed")
            self._depth -= 1
            operand, place = Path(Pipe(commands), []), place + 1
        else:
            raise self._wrong(f"unexpected {token.text!r}")
        while place < len(tokens) and tokens[place].kind == "field" and not tokens[place].apart:
            operand.fields.append(tokens[place].text[1:])
            place += 1
        return operand, place

    def _call(self, name: str) -> Call:
        if name not in self._functions:
            raise self._wrong(f'function "{name}" not defined')
        return Call(name)


def _text_of(literal: str) -> str:
    if literal[0] == "`":
        return literal[1:-1]
    inner = literal[1:-1]
    if literal[0] == "'":
        return inner
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t", "r": "\r"}.get(match[1], match[1]), inner)
