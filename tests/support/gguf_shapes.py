"""Tiny files of other kinds than `gguf.tiny_llama`: models of other shapes, adapters, projectors, a reranker."""

import random
from pathlib import Path
from typing import Any

from tests.support.gguf import byte_vocabulary, ones, weights, write_gguf, zeros

WIDTH, HIDDEN = 64, 128


def tiny_gemma3(path: Path) -> Path:
    """Six layers, of which five see a window of 256 tokens; one key-value head for two heads."""
    blocks, head = 6, 32
    values = _values("gemma3", blocks, context=8192) | {
        "gemma3.attention.head_count": 2,
        "gemma3.attention.head_count_kv": 1,
        "gemma3.attention.key_length": head,
        "gemma3.attention.value_length": head,
        "gemma3.attention.sliding_window": 256,
        "gemma3.attention.layer_norm_rms_epsilon": 1e-6,
        "gemma3.rope.freq_base": 10000.0,
    }
    noise = random.Random(5)
    tensors = _ends(noise)
    for block in range(blocks):
        tensors |= _named(
            block,
            attn_q=weights(noise, WIDTH, 2 * head),
            attn_k=weights(noise, WIDTH, head),
            attn_v=weights(noise, WIDTH, head),
            attn_output=weights(noise, 2 * head, WIDTH),
            attn_q_norm=ones(head),
            attn_k_norm=ones(head),
            attn_norm=ones(WIDTH),
            post_attention_norm=ones(WIDTH),
            ffn_norm=ones(WIDTH),
            post_ffw_norm=ones(WIDTH),
            **_feed_forward(noise),
        )
    return write_gguf(path, values, tensors)


def tiny_deepseek2(path: Path) -> Path:
    """Two layers with multi-head latent attention: one vector of 48 numbers is kept for each token and layer."""
    blocks, heads, rank, rope, nope, value = 2, 2, 32, 16, 16, 16
    values = _values("deepseek2", blocks, context=8192) | {
        "deepseek2.attention.head_count": heads,
        "deepseek2.attention.head_count_kv": 1,
        "deepseek2.attention.key_length": rank + rope,
        "deepseek2.attention.value_length": rank,
        "deepseek2.attention.key_length_mla": nope + rope,
        "deepseek2.attention.value_length_mla": value,
        "deepseek2.attention.kv_lora_rank": rank,
        "deepseek2.attention.q_lora_rank": rank,
        "deepseek2.attention.layer_norm_rms_epsilon": 1e-6,
        "deepseek2.rope.dimension_count": rope,
        "deepseek2.leading_dense_block_count": blocks,
        "deepseek2.expert_count": 0,
        "deepseek2.expert_used_count": 0,
        "deepseek2.expert_shared_count": 0,
        "deepseek2.expert_feed_forward_length": HIDDEN,
        "deepseek2.expert_weights_scale": 1.0,
    }
    noise = random.Random(6)
    tensors = _ends(noise)
    for block in range(blocks):
        tensors |= _named(
            block,
            attn_norm=ones(WIDTH),
            attn_q_a=weights(noise, WIDTH, rank),
            attn_q_a_norm=ones(rank),
            attn_q_b=weights(noise, rank, heads * (nope + rope)),
            attn_kv_a_mqa=weights(noise, WIDTH, rank + rope),
            attn_kv_a_norm=ones(rank),
            attn_k_b=((nope, rank, heads), weights(noise, nope, rank * heads)[1]),
            attn_v_b=((rank, value, heads), weights(noise, rank, value * heads)[1]),
            attn_output=weights(noise, heads * value, WIDTH),
            ffn_norm=ones(WIDTH),
            **_feed_forward(noise),
        )
    return write_gguf(path, values, tensors)


def tiny_mamba(path: Path) -> Path:
    """Two layers without attention: a state of fixed size for each slot."""
    blocks, inner, state, kernel, rank = 2, 2 * WIDTH, 16, 4, 4
    values = _values("mamba", blocks, context=8192) | {
        "mamba.feed_forward_length": 0,
        "mamba.attention.head_count": 0,
        "mamba.attention.layer_norm_rms_epsilon": 1e-5,
        "mamba.ssm.conv_kernel": kernel,
        "mamba.ssm.inner_size": inner,
        "mamba.ssm.state_size": state,
        "mamba.ssm.time_step_rank": rank,
    }
    noise = random.Random(7)
    tensors = _ends(noise)
    for block in range(blocks):
        tensors |= _named(
            block,
            attn_norm=ones(WIDTH),
            ssm_in=weights(noise, WIDTH, 2 * inner),
            ssm_conv1d=weights(noise, kernel, inner),
            ssm_x=weights(noise, inner, rank + 2 * state),
            ssm_dt=weights(noise, rank, inner),
            ssm_out=weights(noise, inner, WIDTH),
        )
        before = f"blk.{block}."
        tensors[f"{before}ssm_conv1d.bias"] = tensors[f"{before}ssm_dt.bias"] = ones(inner)
        tensors[f"{before}ssm_a"] = ((state, inner), weights(noise, state, inner)[1])
        tensors[f"{before}ssm_d"] = ones(inner)
    return write_gguf(path, values, tensors)


def tiny_lora(path: Path, *, rank: int = 4, strength: float = 1.0, **changes: Any) -> Path:
    """An adapter for `gguf.tiny_llama` that changes what it says."""
    width, hidden = 32, 64
    values: dict[str, Any] = {
        "general.architecture": "llama",
        "general.type": "adapter",
        "general.name": "Tiny adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": float(rank),
        **{key.replace("__", "."): value for key, value in changes.items()},
    }
    noise = random.Random(11)
    tensors = {}
    for block in range(2):
        for name, (into, out) in {"attn_q": (width, width), "ffn_down": (hidden, width)}.items():
            for side, shape in {"lora_a": (into, rank), "lora_b": (rank, out)}.items():
                tensors[f"blk.{block}.{name}.weight.{side}"] = weights(noise, *shape, strength)
    return write_gguf(path, values, tensors)


def tiny_projector(path: Path, *, width: int = 32, **changes: Any) -> Path:
    """Eyes for a model of `width`: pictures of 28 x 28 in four patches (the shape of LLaVA's)."""
    inner, hidden, size, patch = 32, 64, 28, 14
    values: dict[str, Any] = {
        "general.architecture": "clip",
        "general.type": "mmproj",
        "general.name": "Tiny eyes",
        "general.file_type": 0,
        "clip.has_vision_encoder": True,
        "clip.projector_type": "mlp",
        "clip.use_gelu": True,
        "clip.vision.image_size": size,
        "clip.vision.patch_size": patch,
        "clip.vision.embedding_length": inner,
        "clip.vision.feed_forward_length": hidden,
        "clip.vision.projection_dim": width,
        "clip.vision.block_count": 1,
        "clip.vision.attention.head_count": 2,
        "clip.vision.attention.layer_norm_epsilon": 1e-5,
        "clip.vision.image_mean": [0.5, 0.5, 0.5],
        "clip.vision.image_std": [0.5, 0.5, 0.5],
        **{key.replace("__", "."): value for key, value in changes.items()},
    }
    noise = random.Random(12)
    patches = (size // patch) ** 2
    tensors: dict[str, Any] = {
        "v.patch_embd.weight": ((patch, patch, 3, inner), weights(noise, patch * patch * 3, inner)[1]),
        "v.class_embd": ((inner,), weights(noise, inner, 1)[1]),
        "v.position_embd.weight": weights(noise, inner, patches + 1),
        "v.pre_ln.weight": ones(inner),
        "v.pre_ln.bias": zeros(inner),
        "mm.0.weight": weights(noise, inner, width),
        "mm.0.bias": zeros(width),
        "mm.2.weight": weights(noise, width, width),
        "mm.2.bias": zeros(width),
    }
    for name, (into, out) in {
        "attn_q": (inner, inner), "attn_k": (inner, inner), "attn_v": (inner, inner), "attn_out": (inner, inner),
        "ffn_down": (hidden, inner), "ffn_up": (inner, hidden),
    }.items():  # fmt: skip
        tensors[f"v.blk.0.{name}.weight"] = weights(noise, into, out)
        tensors[f"v.blk.0.{name}.bias"] = zeros(out)
    for name in ("ln1", "ln2"):
        tensors[f"v.blk.0.{name}.weight"], tensors[f"v.blk.0.{name}.bias"] = ones(inner), zeros(inner)
    return write_gguf(path, values, tensors)


def _values(architecture: str, blocks: int, *, context: int) -> dict[str, Any]:
    return {
        "general.architecture": architecture,
        "general.type": "model",
        "general.name": f"Tiny {architecture}",
        "general.file_type": 0,
        f"{architecture}.block_count": blocks,
        f"{architecture}.context_length": context,
        f"{architecture}.embedding_length": WIDTH,
        f"{architecture}.feed_forward_length": HIDDEN,
        **byte_vocabulary(),
    }


def _ends(noise: random.Random) -> dict[str, Any]:
    tokens = len(byte_vocabulary()["tokenizer.ggml.tokens"])
    return {
        "token_embd.weight": weights(noise, WIDTH, tokens),
        "output.weight": weights(noise, WIDTH, tokens),
        "output_norm.weight": ones(WIDTH),
    }


def _feed_forward(noise: random.Random) -> dict[str, Any]:
    return {
        "ffn_gate": weights(noise, WIDTH, HIDDEN),
        "ffn_up": weights(noise, WIDTH, HIDDEN),
        "ffn_down": weights(noise, HIDDEN, WIDTH),
    }


def _named(block: int, **tensors: Any) -> dict[str, Any]:
    return {f"blk.{block}.{name}.weight": tensor for name, tensor in tensors.items()}
