"""Gemini and Claude in Google's cloud (Vertex AI), by a service account."""

from collections.abc import AsyncIterator, Iterable
from typing import Any, ClassVar
from urllib.parse import quote

from msgspec import structs

from inglenook.kit.errors import BadInput, InglenookError
from inglenook.kit.http.pool import HttpPool, Response, Url
from inglenook.models.calls import ChatRequest, Event, Passthrough
from inglenook.models.providers.account import Account
from inglenook.models.providers.base import Job, ModelFacts, ProviderKind, ProviderParts
from inglenook.models.providers.catalogue_data import vendor
from inglenook.models.providers.endpoint import (
    CHINESE,
    Endpoint,
    EndpointSettings,
    read_settings,
    rendered,
    settings_schema,
)
from inglenook.models.providers.service_account import ServiceAccount
from inglenook.models.providers.wires import anthropic, gemini
from inglenook.models.providers.wires.anthropic_requests import VERSION
from inglenook.models.providers.wires.gemini_refusals import WORDING
from inglenook.models.providers.wires.gemini_requests import prompt_body

#: What the oldest version of Anthropic's protocol is called here.
_OLDEST = "vertex-2023-10-16"
#: Locations of several regions, whose hosts are named otherwise.
_WIDE = frozenset({"us", "eu"})


class VertexSettings(EndpointSettings, kw_only=True):
    """Settings of this kind of provider."""

    service_account: str
    project: str = ""
    location: str = "global"
    base_url: str = ""


class VertexEndpoint(Endpoint):
    """The API of one project in one location, asked with a service account's tokens."""

    def __init__(self, settings: VertexSettings, http: HttpPool, account: ServiceAccount) -> None:
        super().__init__(settings, http, wording=WORDING)
        self._account = account
        self._token = ""

    async def headers(self, url: Url, body: bytes | None, key: int) -> bytes:
        """See `Endpoint`."""
        self._token = await self._account.token()
        return self.heads[0] + f"authorization: Bearer {self._token}\r\n".encode()

    def secrets(self) -> Iterable[str]:
        """See `Endpoint`."""
        return [self._token] if self._token else []

    def refused(self, response: Response, body: bytes) -> InglenookError:
        """See `Endpoint`. A token that is refused is not used again."""
        if response.status == 401:
            self._account.forget(self._token)
        return super().refused(response, body)


class VertexGemini(gemini.Generate):
    """Google's own models: as by its API for developers, but for paths and what surrounds prompts."""

    def path(self, model: str, method: str) -> str:
        """See `Generate`."""
        return f"/publishers/google/models/{_plain(model, 'google')}:{method}"

    async def count(self, job: Job, request: ChatRequest) -> Response:
        """See `Generate`."""
        return await self._post(job, "countTokens", prompt_body(job.model, request))

    async def embed(self, job: Job, bodies: list[dict[str, Any]]) -> Response:
        """See `Generate`. Models older than Gemini are asked in another way."""
        if "gemini" in job.model:
            requests = [{"content": body.pop("content"), "embedContentConfig": body} for body in bodies]
            return await self._post(job, "batchEmbedContents", {"requests": requests})
        instances = []
        parameters: dict[str, Any] = {}
        for body in bodies:
            instance = {"content": body["content"]["parts"][0]["text"]}
            if "taskType" in body:
                instance["task_type"] = body["taskType"]
            if "outputDimensionality" in body:
                parameters["outputDimensionality"] = body["outputDimensionality"]
            instances.append(instance)
        return await self._post(job, "predict", {"instances": instances, "parameters": parameters})


class VertexClaude(anthropic.Messages):
    """Anthropic's models: its protocol, with model and version elsewhere."""

    def output_length(self, model: str) -> int:
        """See `Messages`."""
        facts = _facts(model)
        return facts.output_length if facts is not None else 0

    async def ask(self, name: str, job: Job, body: dict[str, Any], headers: dict[str, str]) -> Response:
        """See `Messages`."""
        version = headers.pop("anthropic-version", VERSION)
        body.setdefault("anthropic_version", _OLDEST if version == VERSION else version)
        model = _plain(job.model, "anthropic")
        if name == anthropic.COUNT:
            body["model"] = model
            target = "count-tokens:rawPredict"
        else:
            body.pop("model", None)
            target = f"{model}:{'streamRawPredict' if body.get('stream') else 'rawPredict'}"
        path = f"/publishers/anthropic/models/{target}"
        return await self._endpoint.post(path, body, headers=rendered(headers))


class Vertex(Account):
    """One project in one location."""

    kind: ClassVar[str] = "vertex"
    wires = anthropic.WIRES
    operations = gemini.OPERATIONS

    def __init__(self, settings: VertexSettings, http: HttpPool) -> None:
        account = ServiceAccount(settings.service_account, http)
        project = settings.project.strip() or account.project
        if not project:
            raise BadInput(
                "settings.project is needed: the service account's file names none", field="settings.project"
            )
        settings.base_url = f"{_base(settings)}/projects/{quote(project)}/locations/{quote(_location(settings))}"
        self._endpoint = VertexEndpoint(settings, http, account)
        self._gemini = VertexGemini(self._endpoint)
        self._claude = VertexClaude(self._endpoint)

    def stream(self, job: Job) -> AsyncIterator[Event]:
        """See `Provider`."""
        return self._claude.stream(job) if _is_claude(job.model) else self._gemini.stream(job)

    async def relay(self, job: Job) -> list[Event]:
        """See `Provider`."""
        return await self._claude.relay(job)

    def passes(self, model: str, passthrough: Passthrough) -> bool:
        """See `Provider`."""
        return _is_claude(model)

    def known(self, model: str) -> ModelFacts | None:
        """See `Provider`."""
        return _facts(model)


def _is_claude(model: str) -> bool:
    return "claude" in model.lower()


def _plain(model: str, publisher: str) -> str:
    """A model's name as paths have it: it may come with its publisher before it."""
    return quote(model.removeprefix("publishers/").removeprefix(f"{publisher}/").removeprefix("models/"), safe="@-._~")


def _facts(model: str) -> ModelFacts | None:
    name = model.rpartition("/")[2]
    facts = vendor("vertex").facts(name.removesuffix("@default").replace("@", "-"))
    return None if facts is None else structs.replace(facts, name=model)


def _location(settings: VertexSettings) -> str:
    return settings.location.strip().lower() or "global"


def _base(settings: VertexSettings) -> str:
    location = _location(settings)
    if settings.base_url.strip():
        return settings.base_url.strip().rstrip("/")
    if location == "global":
        return "https://aiplatform.googleapis.com/v1"
    if location in _WIDE:
        return f"https://aiplatform.{location}.rep.googleapis.com/v1"
    return f"https://{location}-aiplatform.googleapis.com/v1"


def _schema() -> dict[str, Any]:
    schema = settings_schema(
        base_url="",
        key_required=False,
        project={
            "type": "string",
            "title": "Project",
            "description": "Empty: the service account's own.",
            "maxLength": 200,
        },
        location={
            "type": "string",
            "title": "Location",
            "description": "Such as global, eu or europe-west1.",
            "default": "global",
            "maxLength": 100,
        },
    )
    properties = schema["properties"]
    for name in ("api_key", "api_keys"):
        del properties[name]
    del properties["base_url"]["default"]
    properties["base_url"]["description"] = "Only for proxies: where the API begins, up to /v1."
    account = {
        "type": "string",
        "title": "Key of the service account",
        "description": "The JSON file from Google's console, whole.",
        "secret": True,
        "maxLength": 20_000,
    }
    return {**schema, "required": ["service_account"], "properties": {"service_account": account, **properties}}


_CHINESE = {
    "Google Vertex AI": "谷歌 Vertex AI",
    "Key of the service account": "服务账号密钥",
    "The JSON file from Google's console, whole.": "从谷歌云控制台下载的 JSON 文件，粘贴其全部内容。",
    "Project": "项目",
    "Empty: the service account's own.": "留空则使用服务账号所属的项目。",
    "Location": "区域",
    "Such as global, eu or europe-west1.": "例如 global、eu 或 europe-west1。",
    "Only for proxies: where the API begins, up to /v1.": "仅在使用代理时填写：API 的起始地址，写到 /v1 为止。",
}


def _make(settings: dict[str, Any], parts: ProviderParts) -> Vertex:
    return Vertex(read_settings(settings, VertexSettings), parts.http)


KIND = ProviderKind(
    name="vertex",
    title="Google Vertex AI",
    icon="google-cloud",
    settings_schema=_schema(),
    make=_make,
    known=lambda: vendor("vertex").models(),
    docs="https://cloud.google.com/vertex-ai/generative-ai/docs",
    keys_page="https://console.cloud.google.com/iam-admin/serviceaccounts",
    translations={"zh-CN": {**CHINESE, **_CHINESE}},
)
