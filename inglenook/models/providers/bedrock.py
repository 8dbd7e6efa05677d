"""Models of many makers in Amazon's cloud (Bedrock), by an API key or by signed requests."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable
from typing import Any, ClassVar

import msgspec
from msgspec import Struct, field, structs

from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.kit.http.pool import HttpPool, Response, Url
from inglenook.models.calls import Event, Passthrough
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
from inglenook.models.providers.wires.anthropic import MESSAGES
from inglenook.models.providers.wires.aws_credentials import Environment, Given, Profile, Source
from inglenook.models.providers.wires.aws_signature import Credentials, Signer
from inglenook.models.providers.wires.bedrock import OPERATIONS, Converse
from inglenook.models.providers.wires.bedrock_claude import InvokeClaude
from inglenook.models.providers.wires.bedrock_requests import is_claude

#: Regions that a model's id may begin with: it is then answered in whichever of them has room.
_REGIONS = re.compile(r"^(?:us|us-gov|eu|apac|jp|au|ca|sa|in|global)\.")
_VERSION = re.compile(r"-v\d+(?::\d+)*$")


class BedrockSettings(EndpointSettings, kw_only=True):
    """Settings of this kind of provider."""

    region: str = "us-east-1"
    credentials: str = "keys"
    profile: str = "default"
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    base_url: str = ""


def _source(settings: BedrockSettings) -> Source:
    """Where credentials come from.

    Raises:
        BadInput: there are none.
    """
    source: Source
    if settings.credentials == "environment":
        source = Environment()
    elif settings.credentials == "profile":
        source = Profile(settings.profile.strip() or "default")
    else:
        access, secret = settings.access_key_id.strip(), settings.secret_access_key.strip()
        if not (access and secret):
            raise BadInput(
                "either settings.api_key, or access_key_id and secret_access_key are needed", field="settings.api_key"
            )
        source = Given(Credentials(access, secret, settings.session_token.strip()))
    source.now()
    return source


class BedrockEndpoint(Endpoint):
    """One of Bedrock's APIs in one region."""

    def __init__(self, settings: BedrockSettings, http: HttpPool, host: str) -> None:
        base = settings.base_url.strip() or f"https://{host}.{settings.region}.amazonaws.com"
        super().__init__(structs.replace(settings, base_url=base), http)
        self._region = settings.region
        self._source = None if self._keys else _source(settings)
        self._signer: Signer | None = None

    async def headers(self, url: Url, body: bytes | None, key: int) -> bytes:
        """See `Endpoint`. Without an API key, the request is signed."""
        if self._source is None:
            return await super().headers(url, body, key)
        credentials = self._source.now()
        if self._signer is None or self._signer.credentials != credentials:
            self._signer = Signer(credentials, self._region, "bedrock")
        host = url.lead.rpartition(b"host: ")[2].strip().decode()
        method = "GET" if body is None else "POST"
        given = {"content-type": "application/json"}
        return self.bare[0] + rendered(self._signer.headers(method, host, url.target, body or b"", given))

    def secrets(self) -> Iterable[str]:
        """See `Endpoint`."""
        signed = self._signer.credentials if self._signer is not None else None
        return filter(None, (*super().secrets(), *((signed.secret_key, signed.session) if signed else ())))

    def word(self, response: Response) -> str:
        """See `Endpoint`. What went wrong is called by its name in a header."""
        return response.header(b"x-amzn-errortype").decode("latin-1").partition(":")[0]


class Bedrock(Converse, Account):
    """One account in one region."""

    kind: ClassVar[str] = "bedrock"
    wires = frozenset({MESSAGES})
    operations = OPERATIONS

    def __init__(self, settings: BedrockSettings, http: HttpPool) -> None:
        settings.region = settings.region.strip().lower() or "us-east-1"
        super().__init__(BedrockEndpoint(settings, http, "bedrock-runtime"))
        self._control = BedrockEndpoint(settings, http, "bedrock")
        self._claude = InvokeClaude(self._endpoint)

    def stream(self, job: Job) -> AsyncGenerator[Event, None]:
        """See `Provider.stream`."""
        return super().stream(job) if job.passthrough is None else self._claude.stream(job)

    async def relay(self, job: Job) -> list[Event]:
        """See `Provider`."""
        return await self._claude.relay(job)

    def passes(self, model: str, passthrough: Passthrough) -> bool:
        """See `Provider`. Anthropic's own models are asked in its own words."""
        return is_claude(model)

    def known(self, model: str) -> ModelFacts | None:
        """See `Provider`. Whatever region a model's id begins with, it is the same model."""
        name = _REGIONS.sub("", model.rpartition("/")[2])
        facts = vendor("bedrock").facts(name) or vendor("bedrock").facts(_VERSION.sub("", name))
        return None if facts is None else structs.replace(facts, name=model)

    def output_length(self, model: str) -> int:
        """See `Converse`."""
        facts = self.known(model)
        return facts.output_length if facts is not None else 0

    async def models(self, key: int = 0) -> list[ModelFacts]:
        """The account's models that can be asked by their own name, and the groups of regions that answer for them."""
        models, profiles = await asyncio.gather(self._control.get("/foundation-models", key=key), self._profiles(key))
        try:
            listed = msgspec.convert(models, _Models).model_summaries
        except msgspec.ValidationError:
            raise UpstreamFailed("the provider did not answer with a list of models; is the region right?") from None
        useful = {model.model_id: facts for model in listed if (facts := self._facts(model)) is not None}
        found = [
            facts
            for model in listed
            if "ON_DEMAND" in model.inference_types_supported
            if (facts := useful.get(model.model_id)) is not None
        ]
        for profile in profiles:
            facts = useful.get(_REGIONS.sub("", profile.inference_profile_id))
            if facts is not None:
                found.append(
                    self.known(profile.inference_profile_id)
                    or structs.replace(facts, name=profile.inference_profile_id)
                )
        return found

    async def _profiles(self, key: int) -> list["_InferenceProfile"]:
        found: list[_InferenceProfile] = []
        path = "/inference-profiles?maxResults=1000"
        while path:
            try:
                page = msgspec.convert(await self._control.get(path, key=key), _InferenceProfiles)
            except msgspec.ValidationError:
                raise UpstreamFailed("the provider did not answer with a list of inference profiles") from None
            found += [profile for profile in page.inference_profile_summaries if profile.status == "ACTIVE"]
            path = f"/inference-profiles?maxResults=1000&nextToken={page.next_token}" if page.next_token else ""
        return found

    def _facts(self, model: "_Model") -> ModelFacts | None:
        """What is known of a model, or what its provider tells; None for one that we have no way to ask."""
        known = self.known(model.model_id)
        if known is not None:
            return known
        if model.model_lifecycle.status == "LEGACY":
            return None
        if "EMBEDDING" in model.output_modalities:
            asked = "titan-embed-text" in model.model_id or "cohere.embed" in model.model_id
            return ModelFacts(name=model.model_id, capabilities=frozenset({"embedding"})) if asked else None
        if "TEXT" not in model.output_modalities or not model.response_streaming_supported:
            return None
        capabilities = {"completion", "tools", *(["vision"] if "IMAGE" in model.input_modalities else [])}
        return ModelFacts(name=model.model_id, capabilities=frozenset(capabilities))


class _Lifecycle(Struct, frozen=True):
    status: str = "ACTIVE"


class _Model(Struct, rename="camel"):
    model_id: str
    input_modalities: list[str] = field(default_factory=list)
    output_modalities: list[str] = field(default_factory=list)
    response_streaming_supported: bool = False
    inference_types_supported: list[str] = field(default_factory=list)
    model_lifecycle: _Lifecycle = _Lifecycle()


class _Models(Struct, rename="camel"):
    model_summaries: list[_Model]


class _InferenceProfile(Struct, rename="camel"):
    inference_profile_id: str
    status: str = "ACTIVE"


class _InferenceProfiles(Struct, rename="camel"):
    inference_profile_summaries: list[_InferenceProfile]
    next_token: str = ""


def _schema() -> dict[str, Any]:
    text = {"type": "string", "maxLength": 4000}
    schema = settings_schema(
        base_url="",
        key_required=False,
        region={**text, "title": "Region", "description": "Such as us-east-1 or eu-central-1.", "default": "us-east-1"},
        credentials={
            "type": "string",
            "title": "Without an API key, sign with",
            "description": "keys: those below. environment: AWS_* variables of the server. profile: its AWS files.",
            "enum": ["keys", "environment", "profile"],
            "default": "keys",
        },
        profile={**text, "title": "Profile", "description": "In the server's credentials file.", "default": "default"},
        access_key_id={**text, "title": "Access key ID", "description": "To sign requests instead of an API key."},
        secret_access_key={**text, "title": "Secret access key", "secret": True},
        session_token={
            **text,
            "title": "Session token",
            "description": "Only for credentials that do not last.",
            "secret": True,
        },
    )
    del schema["properties"]["base_url"]["default"]
    schema["properties"]["base_url"]["description"] = "Only for private endpoints and proxies."
    return schema


_CHINESE = {
    "Amazon Bedrock": "亚马逊 Bedrock",
    "Region": "区域",
    "Such as us-east-1 or eu-central-1.": "例如 us-east-1 或 eu-central-1。",
    "Without an API key, sign with": "没有 API 密钥时，签名所用的凭证",
    "keys: those below. environment: AWS_* variables of the server. profile: its AWS files.": (
        "keys：使用下面填写的密钥；environment：服务器的 AWS_* 环境变量；profile：服务器上的 AWS 凭证文件。"
    ),
    "Profile": "配置名称",
    "In the server's credentials file.": "服务器凭证文件中的配置名称。",
    "Access key ID": "访问密钥 ID",
    "To sign requests instead of an API key.": "不用 API 密钥时，用它对请求签名。",
    "Secret access key": "私有访问密钥",
    "Session token": "会话令牌",
    "Only for credentials that do not last.": "仅临时凭证需要填写。",
    "Only for private endpoints and proxies.": "仅在使用私有终端节点或代理时填写。",
}


def _make(settings: dict[str, Any], parts: ProviderParts) -> Bedrock:
    return Bedrock(read_settings(settings, BedrockSettings), parts.http)


KIND = ProviderKind(
    name="bedrock",
    title="Amazon Bedrock",
    icon="aws",
    settings_schema=_schema(),
    make=_make,
    known=lambda: vendor("bedrock").models(),
    docs="https://docs.aws.amazon.com/bedrock",
    keys_page="https://console.aws.amazon.com/bedrock/home#/api-keys",
    translations={"zh-CN": {**CHINESE, **_CHINESE}},
)
