"""The families of causal language models that transformers ships, built small by their configs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VOCABULARY, LAYERS, WINDOW, LONGEST = 96, 4, 8, 128

# What a number of a config becomes, by its name: of the first pattern that its whole name matches.
SIZES: list[tuple[str, int]] = [
    (r"\w*vocab_size\w*", VOCABULARY),
    (r"n_positions|max_seq_len|n_ctx|context_length|max_target_positions", LONGEST),
    (r"(original_)?max_position_embeddings|model_max_length", LONGEST),
    (r"\w*(sliding_window|window_size|window_len|attention_chunk_size)", WINDOW),
    (r"local_attention", 2 * WINDOW),
    (r"(num_)?(hidden_|decoder_|encoder_)?layers|n_layers?|num_blocks", LAYERS),
    (r"(num_|swa_num_)?(decoder_|encoder_)?attention_heads|n_heads?|num_heads", 4),
    (r"(swa_)?num_key_value_heads|num_kv_heads|num_query_groups", 2),
    (r"(swa_)?head_dim|d_head|dim_head|attention_head_size|qk_nope_head_dim|v_head_dim", 8),
    (r"qk_rope_head_dim|rotary_dim", 4),
    (r"qk_head_dim", 12),
    (r"(q|kv|o)_lora_rank", 16),
    (r"hidden_size|d_model|n_embd|emb_dim|embedding_dim|embedding_size|lru_width", 32),
    (r"input_embedding_size|word_embed_proj_dim|attention_hidden_size", 32),
    (r"\w*(intermediate_size|ffn_dim|ffn_hidden_size)\w*|d_inner|dff|dim_ff|feed_forward_size", 64),
    (r"(moe_)?num_(local_)?experts|n_routed_experts", 4),
    (r"num_experts_per_tok(en)?|moe_topk|moe_k", 2),
    (r"n_group|topk_group|num_expert_group|n_groups|mamba_n_?groups", 1),
    (r"state_size|ssm_state_size|mamba_d_state", 8),
    (r"linear_num\w*heads|mamba_n_heads|n_mamba_heads|mamba_num_heads", 4),
    (r"linear\w*head_dim|mamba_d_head|mamba_head_?dim", 16),
]  # fmt: skip
IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
MLA = {"num_key_value_heads": 4, "head_dim": 4}  # keys and values of low rank: as many as queries
# What the sizes above leave inconsistent in a family.
MIXED = {"layer_types": ["linear_attention", "full_attention"] * 2}
OWN: dict[str, dict[str, Any]] = {
    "bailing_hybrid": MIXED,
    "bamba": {"attn_layer_indices": [1, 3]},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "dots3_note": {"num_key_value_heads": 4, "num_experts_per_tok": 2},
    "falcon_h1": {"mamba_d_ssm": 64},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"] * 2},
    "kimi_linear": MIXED,
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "zamba": {"attention_hidden_size": 64, "attention_head_dim": 16, "attn_layer_period": 2,
              "attn_layer_offset": 1, "layers_block_type": ["linear_attention", "hybrid"] * 2},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "mamba2": {"num_heads": 8},
    "ministral": {"head_dim": 8},
    "nemotron": {"num_key_value_heads": 2, "head_dim": 8},
    "qwen2": {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 0},
    "qwen3": {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 2},
    "phi3": {"sliding_window": WINDOW},
    "starcoder2": {"sliding_window": WINDOW},
    "mixtral": {"sliding_window": WINDOW},
    "ministral3": {"sliding_window": WINDOW},
    "reformer": {"is_decoder": True, "axial_pos_embds_dim": [16, 16], "axial_pos_shape": [8, 16]},
    "xmod": {"default_language": "en_XX"},
    "zaya": {"num_experts_per_tok": 1},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "longcat_flash": {"head_dim": 4, "num_key_value_heads": 4},
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "nemotron_h": {"layers_block_type": ["mamba", "attention", "mlp", "attention"]},
}  # fmt: skip


def small(kind: str, **more: Any) -> PreTrainedModel:
    """A model of the family with random weights that matter, in evaluation mode."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    made: Any = CONFIG_MAPPING[kind]
    sizes = _shrunk(made().to_dict())
    if "kv_lora_rank" in sizes:
        sizes |= {key: value for key, value in MLA.items() if key in sizes}
    config = made(**sizes | OWN.get(kind, {}) | more)
    torch.manual_seed(1)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def _shrunk(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and "model_type" in value:
            found[key] = _shrunk(value)
        elif key.endswith("token_id") and isinstance(value, (int, list)):
            found[key] = IDS.get(key, 3)
        elif isinstance(value, int) and not isinstance(value, bool) and value > 0:
            sizes = [size for name, size in SIZES if re.fullmatch(name, key)]
            if sizes:
                found[key] = sizes[0]
    return found
