"""Folders with tiny two-tower models of random weights, one of each family, as the hub has them: model, tokenizer and
picture processor."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AlignConfig,
    AlignModel,
    BertTokenizer,
    ChineseCLIPConfig,
    ChineseCLIPImageProcessorPil,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    EfficientNetImageProcessorPil,
    GemmaTokenizer,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

SIDE, JOINT = 32, 24
TEXT = {"hidden_size": JOINT, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
VISION = {**TEXT, "hidden_size": 20, "image_size": SIDE, "patch_size": 8}
WORDS = ["a", "red", "dog", "dogs", "runs", "ball", "the", "left", "of", "two"]


def save_clip(folder: Path, **changes: Any) -> Path:
    """CLIP: a shortest edge and a centre crop, byte pairs, the state of the last token."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "do", "dog</w>", "re", "red</w>"]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    merges = [("d", "o"), ("do", "g</w>"), ("r", "e"), ("re", "d</w>")]
    CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=40).save_pretrained(folder)
    ends = {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": len(pieces) - 1}
    text = {**TEXT, "hidden_size": 16, "vocab_size": len(pieces), "max_position_embeddings": 40, **ends}
    _save(CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=JOINT)), folder)
    shape = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}, **changes}
    CLIPImageProcessorPil(**shape).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    """SigLIP: squashed pictures, sentence pieces without capitals and punctuation, a tokenizer class of Python."""
    pieces = [("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0), *((f"▁{word}", -2.0) for word in WORDS)]
    pieces += [(letter, -6.0) for letter in string.ascii_lowercase]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[!-/:-@\[-`{-~]"), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 0)])
    _save_as(tokenizer, folder, "SiglipTokenizer", eos_token="</s>", pad_token="</s>", unk_token="<unk>")
    _save_fixed_siglip(folder, vocabulary=len(pieces), resample=3)
    return folder


def save_siglip2(folder: Path) -> Path:
    """SigLIP 2 at a fixed resolution: a SigLIP network with Gemma's tokenizer, which keeps capitals."""
    tokens = [
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        "<mask>",
        "▁",
        *string.ascii_letters,
        "do",
        "dog",
        "▁a",
        ".",
        ",",
        "!",
    ]
    vocabulary = {piece: number for number, piece in enumerate(tokens)}
    merges = [("d", "o"), ("do", "g"), ("▁", "a")]
    made = GemmaTokenizer(
        vocab=vocabulary,
        merges=merges,
        model_input_names=["input_ids"],
        padding_side="right",
        add_bos_token=False,
        add_eos_token=True,
    )
    made.save_pretrained(folder)
    _save_fixed_siglip(folder, vocabulary=len(tokens), resample=2)
    return folder


def save_naflex(folder: Path) -> Path:
    """SigLIP 2 that reads pictures of any shape."""
    vision = {**TEXT, "patch_size": 8, "num_patches": 16}
    config = Siglip2Config(text_config={**TEXT, "vocab_size": 40}, vision_config=vision)
    save_siglip2(folder)
    _save(Siglip2Model(config), folder)
    Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16).save_pretrained(folder)
    return folder


def save_align(folder: Path) -> Path:
    """ALIGN: a convolutional network, pictures squashed and then cut, BERT."""
    vocabulary = _save_word_pieces(folder, WORDS, limit=64)
    vision = {
        "image_size": SIDE,
        "width_coefficient": 1.0,
        "depth_coefficient": 0.1,
        "hidden_dim": JOINT,
        "in_channels": [32, 16],
        "out_channels": [16, 24],
        "kernel_sizes": [3, 3],
        "strides": [2, 2],
        "num_block_repeats": [1, 1],
        "expand_ratios": [1, 2],
        "depthwise_padding": [],
    }
    config = AlignConfig(text_config={**TEXT, "vocab_size": vocabulary}, vision_config=vision, projection_dim=JOINT)
    _save(AlignModel(config), folder)
    EfficientNetImageProcessorPil(
        size={"height": 40, "width": 40},
        crop_size={"height": SIDE, "width": SIDE},
        do_center_crop=True,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
        include_top=False,
        resample=2,
    ).save_pretrained(folder)
    return folder


def save_chinese_clip(folder: Path) -> Path:
    """Chinese-CLIP: CLIP's pictures, BERT over characters."""
    vocabulary = _save_word_pieces(folder, [*WORDS, *"一只狗在跑红球"], limit=52)
    text = {**TEXT, "vocab_size": vocabulary, "pad_token_id": 0}
    _save(ChineseCLIPModel(ChineseCLIPConfig(text_config=text, vision_config=VISION, projection_dim=JOINT)), folder)
    ChineseCLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    ).save_pretrained(folder)
    return folder


FAMILIES: dict[str, Callable[[Path], Path]] = {
    "clip": save_clip,
    "siglip": save_siglip,
    "siglip2": save_siglip2,
    "align": save_align,
    "chinese-clip": save_chinese_clip,
}


def _save(network: Any, folder: Path) -> None:
    """Weights drawn so that unlike inputs have unlike vectors, which those of a fresh network hardly have."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=2 / parameter[0].numel() ** 0.5)
            elif "logit" in name:
                parameter.fill_(-1.5 if "bias" in name else 1.2)
    network.save_pretrained(folder)


def _save_fixed_siglip(folder: Path, *, vocabulary: int, resample: int) -> None:
    text = {**TEXT, "vocab_size": vocabulary, "max_position_embeddings": 64, "projection_size": JOINT}
    _save(SiglipModel(SiglipConfig(text_config=text, vision_config={**VISION, "hidden_size": JOINT})), folder)
    shape = {"height": SIDE, "width": SIDE}
    SiglipImageProcessorPil(size=shape, resample=resample).save_pretrained(folder)


def _save_word_pieces(folder: Path, words: list[str], *, limit: int) -> int:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words, ".", ",", "!"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    BertTokenizer(vocab=vocabulary, model_max_length=limit).save_pretrained(folder)
    return len(pieces)


def _save_as(tokenizer: Tokenizer, folder: Path, name: str, **tokens: str) -> None:
    """A tokenizer under the name of a class that is not installed, as it is on the hub."""
    tokenizer.decoder = decoders.Metaspace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **tokens).save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "tokenizer_class": name, "model_input_names": ["input_ids"]}))
