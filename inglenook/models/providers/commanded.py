"""Models that another engine on this machine serves: its program is started when the first call comes, and ended when
it was idle for long enough or its memory is needed (`models/engine/commands`)."""

import hashlib
import shlex
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar

import msgspec
import orjson
from msgspec import Struct, structs

from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.models.calls import Event, Passthrough
from inglenook.models.engine.commands.base import CommandEngine
from inglenook.models.engine.commands.registry import ENGINES
from inglenook.models.engine.commands.source import CommandSource, Launch
from inglenook.models.engine.memory import MIB
from inglenook.models.engine.resident import Lease
from inglenook.models.providers import mlx, sglang, vllm
from inglenook.models.providers.base import Job, ModelFacts, ProviderKind, ProviderParts
from inglenook.models.providers.endpoint import EndpointSettings
from inglenook.models.providers.openai_family import OpenAIFamily
from inglenook.models.providers.openai_vendor import Vendor

#: Where nobody is asked anything: what holds of a family without a process.
_NOWHERE = "http://127.0.0.1:9/v1"


class CommandSettings(Struct, kw_only=True):
    """Settings of these kinds; `_properties` tells what they mean."""

    model: str
    command: str = ""
    environment: str = ""
    context_length: int = 0
    memory: int = 0
    parallel: int = 64
    keep_alive: float = 1800
    start_timeout: float = 900


class CommandProvider:
    """One model of one engine."""

    own: ClassVar[bool] = True
    keys: ClassVar[int] = 1

    def __init__(self, engine: CommandEngine, vendor: Vendor, settings: CommandSettings, parts: ProviderParts) -> None:
        self.kind = f"{engine.name}-here"
        self.wires = frozenset(vendor.paths)
        self.operations = vendor.operations
        self._engine = parts.engine
        self._http = parts.http
        self._vendor = vendor
        self._asked_as = engine.asked_as
        self._keep_alive = settings.keep_alive
        self._source = _source(engine, settings)
        self._family = OpenAIFamily(vendor, EndpointSettings(base_url=_NOWHERE), parts.http)
        self._process: object = None
        self._proved = False

    async def stream(self, job: Job) -> AsyncGenerator[Event, None]:
        """See `Provider.stream`."""
        async with self._engine.lease(self._source, keep_alive=self._keep_alive) as lease:
            try:
                async with aclosing(self._at(lease).stream(self._named(job))) as events:
                    async for event in events:
                        yield event
            except UpstreamFailed as error:
                raise await _told(lease, error) from error

    async def relay(self, job: Job) -> list[Event]:
        """See `Provider`."""
        async with self._engine.lease(self._source, keep_alive=self._keep_alive) as lease:
            try:
                return await self._at(lease).relay(self._named(job))
            except UpstreamFailed as error:
                raise await _told(lease, error) from error

    def passes(self, model: str, passthrough: Passthrough) -> bool:
        """See `Provider`."""
        return self._family.passes(self._asked_as or model, passthrough)

    async def models(self) -> list[ModelFacts]:
        """The one."""
        return [ModelFacts(name=self._source.launch.model, context_length=self._source.launch.context_length)]

    async def prove(self, key: int, model: str | None = None) -> list[ModelFacts] | None:
        """Start the program, and see it answer. See `Provider`."""
        self._proved = True
        async with self._engine.lease(self._source, keep_alive=self._keep_alive):
            return await self.models()

    async def close(self) -> None:
        """The program ends as soon as nobody uses it."""
        if self._process is not None or self._proved:
            self._engine.forget(self._source.key)

    def _at(self, lease: Lease) -> OpenAIFamily:
        """The family at the process of a lease; made once for each."""
        if self._process is not lease.child:
            settings = EndpointSettings(
                base_url=f"{lease.child.origin}/v1", api_key=lease.child.api_key, first_byte_timeout=3600
            )
            self._family, self._process = OpenAIFamily(self._vendor, settings, self._http), lease.child
        return self._family

    def _named(self, job: Job) -> Job:
        return structs.replace(job, model=self._asked_as) if self._asked_as else job


async def _told(lease: Lease, error: UpstreamFailed) -> Exception:
    """The error for a call that failed: if the process is gone, how it ended."""
    if error.details.get("status"):
        return error
    failure = await lease.child.failure(error.message)
    return error if lease.child.alive else failure


def _source(engine: CommandEngine, settings: CommandSettings) -> CommandSource:
    model = settings.model.strip()
    if not model or model.startswith("-"):
        raise BadInput("settings.model must be the name or the folder of a model", field="settings.model")
    engine.words(settings.command)
    launch = Launch(
        model=model,
        template=settings.command.strip(),
        environment=_variables(settings.environment),
        memory=settings.memory * MIB,
        slots=settings.parallel,
        context_length=settings.context_length,
        start_timeout=settings.start_timeout,
    )
    digest = hashlib.sha256(orjson.dumps([engine.name, structs.asdict(launch)])).hexdigest()
    return CommandSource(
        key=f"{engine.name}:{digest}", name=f"{engine.name}/{model}", digest="", size=0, engine=engine, launch=launch
    )


def _variables(text: str) -> dict[str, str]:
    """`NAME=value OTHER='more words'`, as a shell takes them; `#` begins a comment."""
    wrong = BadInput("settings.environment takes NAME=value, with spaces between", field="settings.environment")
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        raise wrong from None
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name.isidentifier():
            raise wrong
        found[name] = value
    return found


def _properties(engine: CommandEngine) -> dict[str, dict[str, Any]]:
    return {
        "model": {
            "type": "string",
            "title": "Model",
            "description": "What the program loads: a name it knows how to fetch, or a folder.",
            "maxLength": 500,
        },
        "command": {
            "type": "string",
            "title": "Command",
            "description": (
                "Started when the model is first asked, without a shell. {model}, {host}, {port} and {key_file} are "
                "put in. Empty: the usual one."
            ),
            "default": engine.command,
            "maxLength": 4000,
        },
        "environment": {
            "type": "string",
            "title": "Environment",
            "description": "Variables for the program: NAME=value, with spaces between. Never shown again.",
            "secret": True,
        },
        "context_length": {
            "type": "integer",
            "title": "Context length",
            "description": "In tokens, as the program is started with it; 0: not known.",
            "minimum": 0,
            "default": 0,
        },
        "memory": {
            "type": "integer",
            "title": "Memory it takes (MiB)",
            "description": (
                "Of this machine, not of its GPU. It counts towards what models may take here, so that others make "
                "room."
            ),
            "minimum": 0,
            "default": 0,
        },
        "parallel": {
            "type": "integer",
            "title": "Calls at a time",
            "description": "Those beyond wait here.",
            "minimum": 1,
            "maximum": 4096,
            "default": 64,
        },
        "keep_alive": {
            "type": "number",
            "title": "Seconds it stays loaded when idle",
            "description": "Negative: for ever, unless its memory is needed.",
            "default": 1800,
        },
        "start_timeout": {
            "type": "number",
            "title": "Seconds it may take to start",
            "minimum": 1,
            "default": 900,
        },
    }


_CHINESE = {
    "Model": "模型",
    "What the program loads: a name it knows how to fetch, or a folder.": (
        "由该程序加载：可以是它能自行下载的模型名，也可以是文件夹。"
    ),
    "Command": "启动命令",
    (
        "Started when the model is first asked, without a shell. {model}, {host}, {port} and {key_file} are put in. "
        "Empty: the usual one."
    ): "模型首次被调用时启动，不经过 shell。{model}、{host}、{port}、{key_file} 会被替换。留空则使用默认命令。",
    "Environment": "环境变量",
    "Variables for the program: NAME=value, with spaces between. Never shown again.": (
        "传给该程序的变量：名称=值，以空格分隔。加密保存，不再显示。"
    ),
    "Context length": "上下文长度",
    "In tokens, as the program is started with it; 0: not known.": "单位为 token，与启动参数一致；0 表示未知。",
    "Memory it takes (MiB)": "占用内存（MiB）",
    "Of this machine, not of its GPU. It counts towards what models may take here, so that others make room.": (
        "指本机内存，不含显存。会计入模型可用的内存，需要时其他模型会让出空间。"
    ),
    "Calls at a time": "同时处理的请求数",
    "Those beyond wait here.": "超出的请求会排队等待。",
    "Seconds it stays loaded when idle": "空闲后保持加载的秒数",
    "Negative: for ever, unless its memory is needed.": "负数表示一直保持，除非需要它占用的内存。",
    "Seconds it may take to start": "启动的最长秒数",
}


def _kind(vendor: Vendor) -> ProviderKind:
    engine = ENGINES[vendor.name]
    title = f"{engine.title}, started here"

    def make(given: dict[str, Any], parts: ProviderParts) -> CommandProvider:
        try:
            settings = msgspec.convert(given, CommandSettings)
        except msgspec.ValidationError as error:
            raise BadInput(f"settings of the provider: {error}", field="settings") from None
        return CommandProvider(engine, vendor, settings, parts)

    return ProviderKind(
        name=f"{engine.name}-here",
        title=title,
        icon="server",
        settings_schema={
            "type": "object",
            "additionalProperties": False,
            "required": ["model"],
            "properties": _properties(engine),
        },
        make=make,
        starts_programs=True,
        translations={"zh-CN": {**_CHINESE, title: f"{engine.title}（由本机启动）"}},
    )


VLLM = _kind(vllm.VENDOR)
SGLANG = _kind(sglang.VENDOR)
MLX = _kind(mlx.VENDOR)
