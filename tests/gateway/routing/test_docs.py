"""The examples of the how-to are definitions that hold."""

import json
import re
from pathlib import Path

from inglenook.gateway.routing.definition import RouteDefinition, mistakes

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "route-models.md"


def test_the_routes_on_the_page_are_right() -> None:
    blocks = re.findall(r"(?m)^    \{\n(?:    .*\n)+?    \}$", PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 3
    for block in blocks:
        definition = mistakes(json.loads(block)["definition"])
        assert isinstance(definition, RouteDefinition), definition


def test_the_page_tells_the_defaults_as_they_are() -> None:
    text = PAGE.read_text(encoding="utf-8")
    defaults = RouteDefinition.model_validate({"targets": [{"model": "m"}]})
    assert f"all ({defaults.retries.times})" in text
    assert f"`max_retry_after` ({defaults.retries.max_retry_after:.0f} s)" in text
    assert f"`sticky.warm_for`, {defaults.sticky.warm_for} s" in text
    for failure in defaults.fallback:
        assert f"`{failure}`" in text
