"""Where models come from, as an administrator sets it while the server runs: tokens, mirrors, a registry."""

from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from inglenook.accounts.settings import Section

HUGGING_FACE = "https://huggingface.co"
MODELSCOPE = "https://modelscope.cn"


class HubSettings(Struct, frozen=True, kw_only=True):
    """Settings of the section `hub`; `_PROPERTIES` tells what they mean. Empty addresses: the usual ones."""

    hf_token: str = ""
    hf_mirror: str = ""
    hf_token_to_mirror: bool = False
    modelscope_token: str = ""
    modelscope_mirror: str = ""
    ollama_mirror: str = ""
    registry: str = ""
    registry_user: str = ""
    registry_password: str = ""
    registry_sign_in: str = ""
    connections: int = 4
    partial_days: int = 14
    ollama_folder: str = ""
    ollama_delete: bool = False

    def __post_init__(self) -> None:
        for name in ("hf_mirror", "modelscope_mirror", "ollama_mirror", "registry"):
            _check_address(name, getattr(self, name))
        for name in ("hf_token", "modelscope_token", "registry_user", "registry_password"):
            value = getattr(self, name)
            if any(ord(character) < 32 or ord(character) == 127 for character in value):
                raise ValueError(f"{name} must be one line of text")

    @property
    def hugging_face(self) -> str:
        """Where Hugging Face is asked, without a slash at its end."""
        return self.hf_mirror.rstrip("/") or HUGGING_FACE

    @property
    def modelscope(self) -> str:
        """Where ModelScope is asked, without a slash at its end."""
        return self.modelscope_mirror.rstrip("/") or MODELSCOPE


def _check_address(name: str, address: str) -> None:
    if not address:
        return
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{name} is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f"{name} must be an address such as https://models.example.org, without name or password")


def _text(title: str, description: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "string", "title": title, **({"description": description} if description else {}), **more}


_PROPERTIES: dict[str, dict[str, Any]] = {
    "hf_token": _text(
        "Hugging Face token",
        "For private and gated repositories. It is shown to huggingface.co only.",
        secret=True,
        maxLength=500,
    ),
    "hf_mirror": _text("Mirror of Hugging Face", "Address that is asked instead of huggingface.co."),
    "hf_token_to_mirror": {
        "type": "boolean",
        "title": "Show the mirror the token too",
        "description": "Whoever runs the mirror can then use the token. Only for a mirror of your own.",
        "default": False,
    },
    "modelscope_token": _text("ModelScope token", "For private repositories.", secret=True, maxLength=500),
    "modelscope_mirror": _text(
        "Mirror of ModelScope", "Address that is asked instead of modelscope.cn. It is not shown the token."
    ),
    "ollama_mirror": _text("Mirror of the Ollama library", "Address that is asked instead of registry.ollama.ai."),
    "registry": _text(
        "Registry of your own",
        "Its address; models there are named host/namespace/model:tag. In a private network, allow its host with the "
        "setting allow_private too.",
    ),
    "registry_user": _text("User name there", maxLength=200),
    "registry_password": _text("Password or token there", secret=True, maxLength=2000),
    "registry_sign_in": _text(
        "Host of its sign-in",
        "Where it sends for a token, if that is another host than its own: a host name. Nothing is shown to others.",
        maxLength=253,
    ),
    "connections": {
        "type": "integer",
        "title": "Connections for one file",
        "description": "A large file is fetched in several parts at once, as far as that makes it faster.",
        "minimum": 1,
        "maximum": 16,
        "default": 4,
    },
    "partial_days": {
        "type": "integer",
        "title": "Days that broken-off downloads are kept",
        "description": "So long they can go on where they stopped. 0: for ever.",
        "minimum": 0,
        "maximum": 3650,
        "default": 14,
    },
    "ollama_folder": _text(
        "Folder of an Ollama on this machine",
        "Its models are used where they are, without a copy, such as ~/.ollama/models. Nothing is written there.",
    ),
    "ollama_delete": {
        "type": "boolean",
        "title": "Deleting its models deletes them there",
        "description": "Otherwise they can be deleted with Ollama only.",
        "default": False,
    },
}
_CHINESE = {
    "Where models come from": "模型来源",
    "Hugging Face token": "Hugging Face 令牌",
    "For private and gated repositories. It is shown to huggingface.co only.": (
        "用于下载私有仓库和需要申请访问的仓库。令牌只会发送给 huggingface.co。"
    ),
    "Mirror of Hugging Face": "Hugging Face 镜像",
    "Address that is asked instead of huggingface.co.": "填写后将从该地址下载，不再访问 huggingface.co。",
    "Show the mirror the token too": "同时把令牌发送给镜像",
    "Whoever runs the mirror can then use the token. Only for a mirror of your own.": (
        "镜像的运营者将能使用该令牌，仅适合自建镜像。"
    ),
    "ModelScope token": "魔搭（ModelScope）令牌",
    "For private repositories.": "用于下载私有仓库。",
    "Mirror of ModelScope": "魔搭镜像",
    "Address that is asked instead of modelscope.cn. It is not shown the token.": (
        "填写后将从该地址下载，不再访问 modelscope.cn。令牌不会发送给镜像。"
    ),
    "Mirror of the Ollama library": "Ollama 模型库镜像",
    "Address that is asked instead of registry.ollama.ai.": "填写后将从该地址下载，不再访问 registry.ollama.ai。",
    "Registry of your own": "自建模型仓库",
    (
        "Its address; models there are named host/namespace/model:tag. In a private network, allow its host with the "
        "setting allow_private too."
    ): "仓库地址；其中的模型写作 主机/命名空间/模型:标签。若在内网，还需用 allow_private 设置放行该主机。",
    "User name there": "该仓库的用户名",
    "Password or token there": "该仓库的密码或令牌",
    "Host of its sign-in": "登录服务的主机",
    "Where it sends for a token, if that is another host than its own: a host name. Nothing is shown to others.": (
        "如果该仓库让客户端到另一台主机换取令牌，在此填写那台主机名。凭据不会发送给其他主机。"
    ),
    "Connections for one file": "单个文件的连接数",
    "A large file is fetched in several parts at once, as far as that makes it faster.": (
        "大文件会同时分段下载；如果更多连接并不更快，就不再增加。"
    ),
    "Days that broken-off downloads are kept": "未完成下载的保留天数",
    "So long they can go on where they stopped. 0: for ever.": "在此期间可以断点续传。0 表示一直保留。",
    "Folder of an Ollama on this machine": "本机 Ollama 的模型文件夹",
    "Its models are used where they are, without a copy, such as ~/.ollama/models. Nothing is written there.": (
        "直接使用其中的模型，不复制，例如 ~/.ollama/models。不会向其中写入任何内容。"
    ),
    "Deleting its models deletes them there": "允许删除其中的模型",
    "Otherwise they can be deleted with Ollama only.": "不开启时，这些模型只能用 Ollama 删除。",
}

HUB: Section[HubSettings] = Section(
    name="hub",
    title="Where models come from",
    kind=HubSettings,
    settings_schema={"type": "object", "additionalProperties": False, "properties": _PROPERTIES},
    translations={"zh-CN": _CHINESE},
)
