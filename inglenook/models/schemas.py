"""Requests and answers of the models' routes. Times are milliseconds since the Unix epoch, sizes bytes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
#: No slash, since `provider/model` is a way to name a model.
ProviderName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^/\s][^/\n\r]*$")
]
#: `models.providers.base.CAPABILITIES`
Capability = Literal[
    "completion",
    "embedding",
    "rerank",
    "image",
    "transcription",
    "speech",
    "moderation",
    "tools",
    "vision",
    "audio",
    "files",
    "thinking",
    "insert",
    "prefill",
]
#: Millionths of a currency unit.
Amount = Annotated[int, Field(ge=0, le=10**15)]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Output(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class PriceTier(BaseModel):
    """Prices that hold instead once a prompt is longer than `above` tokens."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    above: Annotated[int, Field(ge=1)]
    input: Amount
    output: Amount
    cached: Amount | None = None
    cache_write: Amount | None = None


class ModelPrices(BaseModel):
    """What a model costs, in millionths of `currency`: a million tokens of each class, a million `characters` spoken,
    an `image`, a `search`, a `request`, a `second` of sound.

    null: as `input` (`cached`, `cache_write`, `audio_input`), as `cache_write` (`cache_write_1h`), or as `output`
    (`reasoning`, `audio_output`). `as_of` and `source` say when and where the prices were read.
    """

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    input: Amount = 0
    output: Amount = 0
    cached: Amount | None = None
    cache_write: Amount | None = None
    cache_write_1h: Amount | None = None
    reasoning: Amount | None = None
    audio_input: Amount | None = None
    audio_output: Amount | None = None
    image: Amount = 0
    search: Amount = 0
    request: Amount = 0
    second: Amount = 0
    characters: Amount = 0
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] = "USD"
    tiers: list[PriceTier] = []
    as_of: Annotated[str, StringConstraints(max_length=10)] = ""
    source: Annotated[str, StringConstraints(max_length=2000)] = ""


class ModelInfo(_Output):
    """A model that can be asked.

    `state`: `remote` (not run here), `idle` (not loaded), `waiting`, `loading`, `ready` or `stopping`. `memory` and
    `loaded_context_length` are of the loaded model; `expires_at` null while it is busy or stays for ever.
    """

    name: str
    provider: str
    provider_id: str
    local: bool
    built_in: bool
    size: int
    digest: str
    modified_at: int
    capabilities: list[str]
    context_length: int
    output_length: int
    embedding_length: int
    languages: list[str]
    prices: ModelPrices | None
    family: str
    parameter_size: str
    quantization: str
    state: str
    memory: int
    loaded_context_length: int
    expires_at: int | None
    busy: int
    pending: int


class ModelRef(_Input):
    """A model by its name."""

    name: Name


class LoadRequest(ModelRef):
    """What to load; `keep_alive` in seconds, negative for ever, null as the settings say."""

    num_ctx: Annotated[int, Field(ge=1)] | None = None
    keep_alive: float | None = None


class Loaded(_Output):
    """How long it took."""

    load_ms: float


class Unloaded(_Output):
    """`unloaded` false: it is busy and goes when its calls have ended."""

    unloaded: bool


class ModelDefaults(BaseModel):
    """What holds of a model of this machine unless a call says otherwise; null: not said here.

    `context_length` (of one slot) and `max_tokens` in tokens, `slots` calls at a time, `keep_alive` seconds (negative
    for ever), `cache_type` of the key-value cache, `system` for chats that bring none, `template` in Jinja in place of
    the file's own, `thinking` for models that think.
    """

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    context_length: Annotated[int, Field(ge=1, le=1 << 28)] | None = None
    slots: Annotated[int, Field(ge=1, le=64)] | None = None
    keep_alive: Annotated[float, Field(allow_inf_nan=False)] | None = None
    cache_type: Literal["f16", "q8_0", "q4_0"] | None = None
    system: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    template: Annotated[str, StringConstraints(max_length=256 * 1024)] | None = None
    thinking: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    max_tokens: Annotated[int, Field(ge=-1, le=1 << 28)] | None = None
    stop: (
        Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=1000)]], Field(max_length=64)] | None
    ) = None
    temperature: Annotated[float, Field(ge=0, le=10)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1 << 24)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    typical_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-1, le=1 << 62)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0, le=10)] | None = None
    repeat_last_n: Annotated[int, Field(ge=-1, le=1 << 24)] | None = None
    presence_penalty: Annotated[float, Field(ge=-10, le=10)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-10, le=10)] | None = None


class ModelDefaultsIn(_Input):
    """What to set for a model, in place of all that was set here; null goes back to the Modelfile or the server."""

    name: Name
    defaults: ModelDefaults


class ModelDefaultsInfo(_Output):
    """A model's defaults: what was set here, what its Modelfile sets, and what holds (with the server's settings)."""

    name: str
    own: ModelDefaults
    modelfile: ModelDefaults
    effective: ModelDefaults


class MemoryEstimate(_Output):
    """Bytes that a model takes when it is loaded, by what for, with `context_length` tokens in each of `slots`.

    `weights` of its file, `cache` (keys and values of every slot), `work` (room for one batch), `prompts` (the most
    that read prompts may take; left out when memory is short), `adapters`, `projector`, `process`. `free` is what of
    `budget` and of the machine's memory would be free for it once idle models left. `fits`: it can be loaded so;
    `largest_context_length` is the longest context that fits with as many slots, `largest_alone` with one slot; 0:
    none. `loaded`: what it is loaded with now; null: it is not.
    """

    name: str
    context_length: int
    slots: int
    weights: int
    cache: int
    work: int
    prompts: int
    adapters: int
    projector: int
    process: int
    total: int
    budget: int
    free: int
    fits: bool
    largest_context_length: int
    largest_alone: int
    loaded: int | None


class EngineProcess(_Output):
    """A process with a model in it."""

    name: str
    state: str
    pid: int
    memory: int
    context_length: int
    slots: int
    busy: int
    pending: int
    loaded_at: int
    expires_at: int | None
    gpu_layers: int
    gpu_memory: int


class EngineInfo(_Output):
    """What models take of this machine, and may take; `memory_available`: what the machine has free now."""

    memory_used: int
    memory_budget: int
    memory_available: int
    max_loaded: int
    parallel: int
    max_queue: int
    keep_alive: float
    processes: list[EngineProcess]


class PullRequest(_Input):
    """What to pull, and what to call it here (by default as its source does)."""

    source: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    name: Name | None = None


class PullInfo(_Output):
    """A pull: see `hub.service.Pull`."""

    id: str
    source: str
    model: str
    status: Literal["running", "done", "failed", "cancelled"]
    message: str
    digest: str
    completed: int
    total: int
    speed: int
    seconds_left: int | None
    error: str | None
    error_code: str | None
    started_at: int
    ended_at: int | None


class ModelSpaceInfo(_Output):
    """A model on the disk: all it needs, and what would be freed without it. `lent`: in the folder of an Ollama."""

    name: str
    size: int
    own: int
    lent: bool


class SpaceInfo(_Output):
    """Bytes on the disk of the models: see `hub.space.Space`."""

    models: list[ModelSpaceInfo]
    used: int
    unused: int
    partial: int
    free: int


class PruneRequest(_Input):
    """`partials`: remove the beginnings of downloads too, which then begin anew."""

    partials: bool = False


class PrunedInfo(_Output):
    """What was removed: files, and their bytes."""

    files: int
    freed: int


class OllamaFolder(_Output):
    """A folder of models that an Ollama on this machine has. `readable`: this server may read it; `used`: it does."""

    path: str
    models: int
    size: int
    readable: bool
    used: bool


class SuggestedSource(_Output):
    """Where a suggested model can be pulled from."""

    source: str
    size: int


class SuggestionInfo(_Output):
    """A model worth having on this machine. `memory` is what it takes when loaded with 4,096 tokens of context."""

    name: str
    title: str
    description: str
    languages: list[str]
    license: str
    memory: int
    sources: list[SuggestedSource]
    starter: bool
    recommended: bool
    installed: bool


class KnownModel(_Output):
    """What is known of a provider's model. 0 and empty: unknown."""

    name: str
    capabilities: list[str]
    context_length: int
    output_length: int
    embedding_length: int
    languages: list[str]
    prices: ModelPrices | None


class ProviderKindInfo(_Output):
    """A kind of provider that can be added, with the JSON schema of its settings.

    `docs` and `keys_page` are pages of the vendor: how its API works, and where one gets a key; empty if unknown.
    `group`: a `vendor` whom one pays, a `server` somewhere, or a program that is started `here`.
    """

    name: str
    title: str
    icon: str
    settings_schema: dict[str, Any]
    docs: str
    keys_page: str
    group: Literal["vendor", "server", "here"]


class ChosenModelIn(_Input):
    """A model of a provider that people here may see.

    `name` is the provider's, `public_name` the one it gets here (by default the same, or `provider/name` if that is
    taken). What is left out of the facts, null, 0 or empty, is as its provider publishes it, as far as known; what is
    said here holds instead, `prices` as a whole.
    """

    name: Name
    public_name: Name | None = None
    capabilities: list[Capability] | None = None
    context_length: Annotated[int, Field(ge=0)] | None = None
    output_length: Annotated[int, Field(ge=0)] | None = None
    embedding_length: Annotated[int, Field(ge=0)] | None = None
    languages: list[str] | None = None
    prices: ModelPrices | None = None
    enabled: bool = True


class ProviderIn(_Input):
    """A provider to set up."""

    kind: Name
    name: ProviderName
    settings: dict[str, Any] = {}
    enabled: bool = True
    models: list[ChosenModelIn] = []


class ProviderPatch(_Input):
    """What to change; what is left out or null stays. In `settings`, a secret that is left out stays too, and one of
    several API keys is kept by `{"kept": 2}`, its number as tests tell it: so keys are put in order and removed.

    `models` replaces the whole choice.
    """

    name: ProviderName | None = None
    settings: dict[str, Any] | None = None
    enabled: bool | None = None
    models: list[ChosenModelIn] | None = None


class ChosenModelInfo(_Output):
    """A chosen model, with the facts that hold. `own` names those an administrator said here."""

    name: str
    public_name: str
    capabilities: list[str]
    context_length: int
    output_length: int
    embedding_length: int
    languages: list[str]
    prices: ModelPrices | None
    own: list[str]
    enabled: bool


class ProviderInfo(_Output):
    """A configured provider. `secrets` names the secret settings that are set, `keys` counts its API keys; their values
    never leave the server.

    `problem` says why it is not in use although it is switched on.
    """

    id: str
    kind: str
    name: str
    settings: dict[str, Any]
    secrets: list[str]
    keys: int
    enabled: bool
    problem: str | None
    models: list[ChosenModelInfo]
    created_at: int
    updated_at: int


class OfferedModel(KnownModel):
    """A model the provider offers, and whether it is chosen already."""

    chosen: bool


class ProviderCheck(_Output):
    """What a provider answered when asked for its models."""

    models: list[OfferedModel]


class ProviderTestIn(_Input):
    """Settings to try before they are saved. `model` is asked for one token; without it, the list of models is asked
    for, where the provider has one."""

    kind: Name
    settings: dict[str, Any] = {}
    model: Name | None = None


class SavedProviderTestIn(_Input):
    """What to try with a provider: its settings, or these in their place, where a secret left out is the saved one."""

    settings: dict[str, Any] | None = None
    model: Name | None = None


class ProviderProblem(_Output):
    """What is wrong, and why.

    `code`: `key_refused`, `out_of_credit`, `unreachable` (no such host, or nobody listens there), `tls`, `timeout`,
    `wrong_url` (something answers, but not this API), `limited`, `overloaded`, `settings` (they cannot be used),
    `refused` (the model or the request) or `failed`. `message` says it in words, with the provider's own.
    """

    code: str
    message: str


class KeyTest(_Output):
    """How one API key did. `number` counts from 1."""

    number: int
    ok: bool
    latency_ms: float | None
    problem: ProviderProblem | None


class ProviderTest(_Output):
    """How a provider did. `ok`: with every key. `models`: how many it lists; null: it was asked a model instead."""

    ok: bool
    latency_ms: float | None
    models: int | None
    problem: ProviderProblem | None
    keys: list[KeyTest]
