"""What a call may come to at most, and how long its answer may get for the money that is there."""

from typing import NamedTuple

from inglenook.gateway.call import Exchange
from inglenook.gateway.estimate import answer_limit, prompt_tokens
from inglenook.gateway.money import Money
from inglenook.models.calls import ChatRequest, CompletionRequest, ImageRequest, Operation, Usage
from inglenook.models.catalogue import Entry
from inglenook.models.prices import Prices

#: Our estimate of a prompt is reserved so many times: no common tokenizer makes more tokens of a text.
_MARGIN = 2
#: Tokens of an answer of which neither the caller nor the model's facts know an end.
_UNKNOWN = 16_384
#: Of a purse that cannot pay the longest answer several times over, one call takes at most this part, so that calls
#: beside it find something; but as many tokens as this, if they are there.
_PART, _USEFUL = 4, 1024
#: An answer of fewer tokens is not worth beginning.
_LEAST = 16
_MILLION = 1_000_000
_ENDLESS = 1 << 40
_ANSWERS = frozenset({Operation.CHAT, Operation.COMPLETION})


class Fit(NamedTuple):
    """What to reserve, and how many tokens an answer may have whose caller set no limit; None: as many as it likes."""

    amount: int
    cap: int | None


class Wish:
    """What a call wants, worked out once."""

    __slots__ = ("_answers", "_images", "_limit", "_money", "_priced", "_prompt", "generates")

    def __init__(self, exchange: Exchange, priced: list[tuple[Entry, Prices]], money: Money) -> None:
        """
        Args:
            priced: Those of its candidates that have a price, with it.
        """
        self._priced = priced
        self._money = money
        self._prompt = _MARGIN * prompt_tokens(exchange)
        self._images = 0
        self._answers = 1
        self._limit: int | None = None
        operation = exchange.call.operation
        self.generates = operation in _ANSWERS
        if self.generates:
            self._limit = answer_limit(exchange)
            if self._limit is not None and self._limit <= 0:
                self._limit = None
            self._answers = _answers(exchange)
        elif operation is Operation.IMAGE:
            self._images = _answers(exchange)

    def fit(self, available: int) -> Fit:
        """What to reserve where `available` is there. More than that means: it cannot be paid."""
        if not self.generates:
            return Fit(self._most(0), None)
        if self._limit is not None:
            return Fit(self._most(self._limit), None)
        whole = self._most(None)
        known = all(entry.facts.output_length for entry, _ in self._priced)
        if whole * _PART <= available:
            return Fit(whole, None if known else _UNKNOWN)
        cap = max(self._tokens(available // _PART), min(self._tokens(available), _USEFUL))
        cap = max(_LEAST, min(cap, max(longest_answer(entry) for entry, _ in self._priced)))
        return Fit(self._most(cap), cap)

    def _most(self, tokens: int | None) -> int:
        """What it may cost at the dearest, with an answer of so many tokens (None: the longest a model gives)."""
        return max(self._cost(entry, prices, tokens) for entry, prices in self._priced)

    def _cost(self, entry: Entry, prices: Prices, tokens: int | None) -> int:
        longest = longest_answer(entry)
        if tokens is None:
            tokens = longest
        elif self._limit is None or entry.facts.output_length:
            tokens = min(tokens, longest)
        return self._price(prices, tokens * self._answers)

    def _tokens(self, amount: int) -> int:
        """How many tokens of an answer can be had for an amount, whoever answers."""
        return min(self._tokens_of(prices, amount) for _, prices in self._priced)

    def _tokens_of(self, prices: Prices, amount: int) -> int:
        prompt = self._price(prices, 0)
        million = self._price(prices, _MILLION) - prompt
        return (amount - prompt) * _MILLION // (million * self._answers) if million > 0 else _ENDLESS

    def _price(self, prices: Prices, output: int) -> int:
        # Reranking and such are counted in units, of which a call has one.
        return self._money.cost(
            prices, Usage(input=self._prompt, output=output, images=self._images, searches=not self.generates)
        )


def longest_answer(entry: Entry) -> int:
    """Tokens of the longest answer a model gives; where that is not known, a guess it will not refuse."""
    facts = entry.facts
    return facts.output_length or (min(_UNKNOWN, facts.context_length // 2) if facts.context_length else _UNKNOWN)


def _answers(exchange: Exchange) -> int:
    """How many answers are asked for."""
    call = exchange.call
    if call.passthrough is not None:
        body = call.passthrough.body
        asked = max([number for name in ("n", "best_of") if type(number := body.get(name)) is int], default=1)
        prompts = body.get("prompt")
        several = isinstance(prompts, list) and bool(prompts) and not isinstance(prompts[0], int)
        return max(1, asked) * (len(prompts) if prompts and several else 1)  # numbers are the tokens of one prompt
    request = call.decode()
    if isinstance(request, ImageRequest):
        return max(1, request.n or 1)
    if isinstance(request, CompletionRequest):
        return max(1, request.sampling.n or 1) * (1 + len(request.others))
    return max(1, request.sampling.n or 1) if isinstance(request, ChatRequest) else 1
