"""`python -m inglenook.openapi`: print the OpenAPI description that the web client's types are made from."""

import sys

import orjson

from inglenook.server import openapi

sys.stdout.write(orjson.dumps(openapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode() + "\n")
