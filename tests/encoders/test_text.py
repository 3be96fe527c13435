"""Text encoders: ids over a vocabulary, tiny random transformers, and the real MiniLM."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5Model,
)

from crossgraph.encoders.catalogue import build_image_encoder, build_text_encoder
from crossgraph.encoders.names import resolve
from crossgraph.encoders.text import TextEncoder, TextFeatures
from crossgraph.encoders.transformer_text import TransformerTextEncoder
from crossgraph.encoders.vocabulary_text import VocabularyTextEncoder
from crossgraph.errors import ConfigError, DataError, ModelError
from crossgraph.words import EMPTY, Vocabulary, tokenize

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "a",
    "dog",
    "run",
    "##s",
    "##ning",
    "red",
    "ball",
    "'",
    "s",
    ",",
    ".",
    "!",
]


def save_tokenizer(folder: Path) -> None:
    """A small lower-casing WordPiece tokenizer as BERT's."""
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=24,
    ).save_pretrained(folder)


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    BertModel(BertConfig(**TINY, vocab_size=len(PIECES), max_position_embeddings=24)).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def bert(bert_folder: Path) -> TextEncoder:
    return TransformerTextEncoder(str(bert_folder))


@pytest.fixture(scope="module")
def minilm() -> TextEncoder:
    return build_text_encoder({"kind": "transformer", "name": "minilm"})


def states_of(text: TextFeatures) -> np.ndarray:
    assert text.states is not None
    return text.states.astype(np.float32)


def test_a_vocabulary_encoder_gives_words_and_ids() -> None:
    encoder = VocabularyTextEncoder(Vocabulary(("a", "dog")), max_words=3)
    known, other = encoder.encode(["A DOG", "the dog, a dog"])
    assert known.words == ("a", "dog")
    assert known.ids is not None
    assert known.ids.tolist() == [2, 3]
    assert other.words == ("the", "dog", "a")
    assert other.ids is not None
    assert other.ids.tolist() == [1, 3, 2]
    assert (encoder.vocabulary_size, encoder.state_width) == (4, 0)


def test_word_states_are_means_of_their_sub_words(bert: TextEncoder, bert_folder: Path) -> None:
    (text,) = bert.encode(["Running dogs, a dog's ball!"])
    assert text.words == ("running", "dogs", "a", "dog's", "ball")
    pieces = ["[CLS]", "run", "##ning", "dog", "##s", ",", "a", "dog", "'", "s", "ball", "!", "[SEP]"]
    pieces.remove("!")  # what follows the last word is not read
    ids = torch.tensor([[PIECES.index(piece) for piece in pieces]])
    with torch.inference_mode():
        hidden = BertModel.from_pretrained(bert_folder).eval()(ids).last_hidden_state[0].numpy()
    groups = [[1, 2], [3, 4], [6], [7, 8, 9], [10]]
    expected = np.stack([hidden[group].mean(axis=0) for group in groups])
    assert np.abs(states_of(text) - expected).max() < 1e-2


def test_words_are_those_of_tokenize(minilm: TextEncoder) -> None:
    captions = ["Two dogs' T-shirts... at 5 o'clock", "Café – naïve façade", "a man\N{EM DASH}woman", "unbelievably"]
    for caption, text in zip(captions, minilm.encode(captions), strict=True):
        assert list(text.words) == tokenize(caption)
        assert states_of(text).shape == (len(text.words), minilm.state_width)


@pytest.mark.parametrize("caption", ["", "   ", "?!...", "\ud800"])
def test_a_caption_without_words_has_one_finite_state(bert: TextEncoder, caption: str) -> None:
    (text,) = bert.encode([caption])
    assert text.words == (EMPTY,)
    assert states_of(text).shape == (1, 32)
    assert np.isfinite(states_of(text)).all()


@pytest.mark.parametrize("model", ["bert", "minilm"])
def test_states_do_not_depend_on_padding_or_order(model: str, request: pytest.FixtureRequest) -> None:
    encoder = request.getfixturevalue(model)
    captions = ["a dog", "a red ball and a dog, a dog and a red ball", "", "running dogs"]
    together = encoder.encode(captions)
    for caption, text in zip(captions, together, strict=True):
        (alone,) = encoder.encode([caption])
        assert alone.words == text.words
        assert np.abs(states_of(alone) - states_of(text)).max() < 5e-3


def test_many_captions_come_back_in_their_order(bert: TextEncoder) -> None:
    captions = [" ".join(["dog"] * (1 + (7 * i) % 11)) for i in range(150)]
    assert [len(text.words) for text in bert.encode(captions)] == [1 + (7 * i) % 11 for i in range(150)]


def test_long_captions_are_cut_after_max_words_and_at_the_models_limit(bert_folder: Path) -> None:
    caption = "a dog " * 50
    (cut,) = TransformerTextEncoder(str(bert_folder), max_words=5).encode([caption])
    assert cut.words == ("a", "dog", "a", "dog", "a")
    (limited,) = TransformerTextEncoder(str(bert_folder), max_words=80).encode([caption])
    assert len(limited.words) == 22  # 24 positions less [CLS] and [SEP]


def test_minilm_puts_like_sentences_nearer_than_unlike_ones(minilm: TextEncoder) -> None:
    captions = ["A dog runs on the beach", "A puppy is running along the shore", "Two men repair an old motorcycle"]
    means = np.stack([states_of(text).mean(axis=0) for text in minilm.encode(captions)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    assert means[0] @ means[1] > means[0] @ means[2] + 0.2


def test_a_clip_model_and_an_encoder_decoder_give_their_text_side(tmp_path: Path) -> None:
    text = {**TINY, "vocab_size": len(PIECES), "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    vision = {**TINY, "image_size": 16, "patch_size": 8}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision)).save_pretrained(tmp_path / "clip")
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 1, "num_heads": 2}
    T5Model(T5Config(vocab_size=len(PIECES), **sizes)).save_pretrained(tmp_path / "t5")
    for model in ("clip", "t5"):
        save_tokenizer(tmp_path / model)
        (features,) = TransformerTextEncoder(str(tmp_path / model)).encode(["a red dog"])
        assert states_of(features).shape == (3, 32)


def test_a_checkpoint_with_a_head_and_no_pooler_loads_with_a_stable_fingerprint(tmp_path: Path) -> None:
    BertForMaskedLM(BertConfig(**TINY, vocab_size=len(PIECES))).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    one, other = TransformerTextEncoder(str(tmp_path)), TransformerTextEncoder(str(tmp_path))
    assert one.fingerprint == other.fingerprint


def test_an_encoder_is_rebuilt_from_its_description_through_json(bert: TextEncoder, bert_folder: Path) -> None:
    vocabulary = VocabularyTextEncoder(Vocabulary.build(["a dog's café"]), max_words=7)
    for encoder in (vocabulary, bert, TransformerTextEncoder(str(bert_folder), max_words=3)):
        rebuilt = build_text_encoder(json.loads(json.dumps(encoder.describe())))
        assert rebuilt.fingerprint == encoder.fingerprint
        assert rebuilt.max_words == encoder.max_words
    assert TransformerTextEncoder(str(bert_folder), max_words=3).fingerprint != bert.fingerprint


def test_a_model_with_other_weights_than_described_is_refused(tmp_path: Path) -> None:
    config = BertConfig(**TINY, vocab_size=len(PIECES))
    save_tokenizer(tmp_path)
    BertModel(config).save_pretrained(tmp_path)
    description = TransformerTextEncoder(str(tmp_path)).describe()
    BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="not the one described"):
        build_text_encoder(description)


@pytest.mark.parametrize(
    ("description", "error", "message"),
    [
        ({"kind": "vocabulry", "words": []}, ConfigError, "Did you mean 'vocabulary'"),
        ({"kind": "vocabulary"}, ConfigError, "needs 'words'"),
        ({"kind": "vocabulary", "words": ["a", "a"]}, DataError, "twice"),
        ({"kind": "vocabulary", "words": ["a"], "max_words": 0}, ConfigError, "max_words"),
        ({"kind": "transformer"}, ConfigError, "needs 'name'"),
        ({"kind": "transformer", "name": "minlm"}, ConfigError, "Did you mean 'minilm'"),
        ({"kind": "transformer", "name": "hf:nobody-at-all/none"}, ModelError, "download it on another machine"),
        ({"kind": "transformer", "name": "nobody-at-all/none"}, ConfigError, "write hf:nobody-at-all/none"),
    ],
)
def test_a_description_that_names_no_encoder_is_refused(
    description: dict[str, object], error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(error, match=message):
        build_text_encoder(description)


def test_a_vision_model_is_refused_as_text_encoder(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    ViTModel(ViTConfig(**TINY, image_size=16, patch_size=8)).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    with pytest.raises(ConfigError, match="choose a text model"):
        TransformerTextEncoder(str(tmp_path))


def whole_of(text: TextFeatures) -> np.ndarray:
    assert text.whole is not None
    return text.whole.astype(np.float32)


def test_the_cosine_of_wholes_is_the_score_of_a_clip_model_itself(tmp_path: Path) -> None:
    torch.manual_seed(0)
    text = {**TINY, "vocab_size": len(PIECES), "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    vision = {**TINY, "image_size": 32, "patch_size": 8}
    clip = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)).eval()
    with torch.no_grad():  # so that different sentences have different vectors
        for parameter in clip.text_model.parameters():
            parameter.mul_(3)
    clip.save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)) for _ in range(3)]
    sentences = ["a red dog", "running dogs", "a ball, a dog, a ball"]

    tokenizer, processor = AutoTokenizer.from_pretrained(tmp_path), CLIPImageProcessorPil.from_pretrained(tmp_path)
    tokens = tokenizer(sentences, padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        output = clip(**tokens, **processor(images, return_tensors="pt"))
        expected = (output.logits_per_image / clip.logit_scale.exp()).numpy()
    assert np.ptp(expected, axis=1).max() > 0.02

    text_encoder, image_encoder = TransformerTextEncoder(str(tmp_path)), build_image_encoder(str(tmp_path))
    wholes = [
        np.stack([whole.astype(np.float32) for whole in side])
        for side in (
            [one.whole for one in image_encoder.encode(images)],
            [whole_of(one) for one in text_encoder.encode(sentences)],
        )
    ]
    left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in wholes)
    assert text_encoder.whole_width == image_encoder.whole_width == 24
    assert np.abs(left @ right.T - expected).max() < 1e-3


def test_minilms_whole_is_its_own_sentence_vector(minilm: TextEncoder) -> None:
    sentences = ["A dog runs on the beach", "unbelievably"]
    folder = resolve("minilm", kind="text encoder").folder
    network, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for sentence, text in zip(sentences, minilm.encode(sentences), strict=True):
        with torch.inference_mode():
            hidden = network(**tokenizer(sentence, return_tensors="pt")).last_hidden_state[0]
        assert np.abs(whole_of(text) - hidden.mean(dim=0).numpy()).max() < 2e-3  # [CLS] and [SEP] too


def test_a_vocabulary_knows_no_whole() -> None:
    encoder = VocabularyTextEncoder(Vocabulary(("a", "dog")))
    assert encoder.whole_width == 0
    assert encoder.encode(["a dog"])[0].whole is None
