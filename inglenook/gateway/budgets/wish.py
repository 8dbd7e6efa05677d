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
_TIMES = ("n", "best_of")
_ANSWERS = frozenset({Operation.CHAT, Operation.COMPLETION})


class Fit(NamedTuple):
    """What to reserve, and how many tokens an answer may have whose caller set no limit; None: as many as it likes."""

    amount: int
    cap: int | None


class Wish:
    """What a call wants, worked out once.

    `whole` is what it comes to at most: with the answer its caller wants or, without a limit, the longest there is.
    Where `plenty` is there that is what to reserve; else `fit` tells.
    """

    __slots__ = ("_answers", "_images", "_limit", "_money", "_priced", "_prompt", "cap", "plenty", "whole")

    def __init__(self, exchange: Exchange, priced: list[tuple[Entry, Prices]], money: Money) -> None:
        """
        Args:
            priced: Those of its candidates that have a price, with it.
        """
        self._priced = priced
        self._money = money
        self._prompt = _MARGIN * prompt_tokens(exchange)
        self._answers, self._images = 1, 0
        #: Tokens the answer may have where it need not be shortened.
        self.cap: int | None = None
        operation = exchange.call.operation
        if operation in _ANSWERS:
            limit = answer_limit(exchange)
            self._limit = limit if limit is not None and limit > 0 else None
            self._answers = _answers(exchange)
        else:
            self._limit = 0
            if operation is Operation.IMAGE:
                self._images = _answers(exchange)
        self.whole = self._most(self._limit)
        self.plenty = self.whole
        if self._limit is None:
            self.plenty = self.whole * _PART
            for entry, _ in priced:
                if not entry.facts.output_length:
                    self.cap = _UNKNOWN

    def fit(self, available: int) -> Fit:
        """What to reserve where `available` is there. More than that means: it cannot be paid."""
        if self._limit is not None or self.plenty <= available:
            return Fit(self.whole, self.cap)
        cap = max(self._tokens(available // _PART), min(self._tokens(available), _USEFUL))
        cap = max(_LEAST, min(cap, max(longest_answer(entry) for entry, _ in self._priced)))
        return Fit(self._most(cap), cap)

    def _most(self, tokens: int | None) -> int:
        """What it may cost at the dearest, with an answer of so many tokens (None: the longest a model gives)."""
        if len(self._priced) == 1:
            return self._cost(*self._priced[0], tokens)
        return max(self._cost(entry, prices, tokens) for entry, prices in self._priced)

    def _cost(self, entry: Entry, prices: Prices, tokens: int | None) -> int:
        if tokens is None:
            tokens = longest_answer(entry)
        elif self._limit is None or entry.facts.output_length:
            tokens = min(tokens, longest_answer(entry))
        return self._price(prices, tokens * self._answers)

    def _tokens(self, amount: int) -> int:
        """How many tokens of an answer can be had for an amount, whoever answers."""
        return min(self._tokens_of(prices, amount) for _, prices in self._priced)

    def _tokens_of(self, prices: Prices, amount: int) -> int:
        prompt = self._price(prices, 0)
        million = self._price(prices, _MILLION) - prompt
        return (amount - prompt) * _MILLION // (million * self._answers) if million > 0 else _ENDLESS

    def _price(self, prices: Prices, output: int) -> int:
        # Reranking is counted in units, of which a call has one.
        usage = Usage(input=self._prompt, output=output, images=self._images, searches=1 if prices.search else 0)
        return self._money.cost(prices, usage)


def longest_answer(entry: Entry) -> int:
    """Tokens of the longest answer a model gives; where that is not known, a guess it will not refuse."""
    facts = entry.facts
    return facts.output_length or (min(_UNKNOWN, facts.context_length // 2) if facts.context_length else _UNKNOWN)


def _answers(exchange: Exchange) -> int:
    """How many answers are asked for."""
    call = exchange.call
    if call.passthrough is not None:
        body = call.passthrough.body
        times = 1
        for name in _TIMES:
            if type(number := body.get(name)) is int and number > times:
                times = number
        prompts = body.get("prompt")
        if isinstance(prompts, list) and prompts and not isinstance(prompts[0], int):
            times *= len(prompts)  # numbers would be the tokens of one prompt
        return times
    request = call.decode()
    if isinstance(request, ImageRequest):
        return max(1, request.n or 1)
    if isinstance(request, CompletionRequest):
        return max(1, request.sampling.n or 1) * (1 + len(request.others))
    return max(1, request.sampling.n or 1) if isinstance(request, ChatRequest) else 1
