"""Text and images become what the pipeline makes of them; bad ones are named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.dataset.images import normalise, resize_square
from components.errors import UserError
from components.huggingface.images import BiomedGptImageProcessor
from components.huggingface.processing import BiomedGptProcessor
from components.huggingface.register import register
from components.huggingface.tokenizer import BiomedGptTokenizer
from components.lineage import write_manifest
from components.model.config import VOCABULARY_SIZE, model_config
from components.model.model import UnifiedModel
from components.model.specials import BOS, EOS, PAD
from components.model.weights import save_model
from components.tasks.encoding import EncodedExample
from components.tokenization.vocabulary import Vocabulary, train_vocabulary

PX = 24
MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr"]
LONG = "yes no " * 20


@pytest.fixture(scope="module")
def tokenizer(vocabulary: Vocabulary, tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("vocabulary")
    vocabulary.save(folder)
    return BiomedGptTokenizer.from_pretrained(folder, model_max_length=12)


@pytest.fixture(scope="module")
def processor(tokenizer: BiomedGptTokenizer) -> BiomedGptProcessor:
    return BiomedGptProcessor(BiomedGptImageProcessor(image_px=PX), tokenizer)


def picture(mode: str = "RGB", size: tuple[int, int] = (31, 20)) -> Image.Image:
    values = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(values)
    if mode == "I;16":
        return Image.fromarray(values[..., 0].astype(np.uint16) * 200)
    return image.convert("RGBA").convert("LA") if mode == "LA" else image.convert(mode)


def as_file(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def expected(content: bytes) -> torch.Tensor:
    return normalise(torch.from_numpy(resize_square(content, PX, "x").copy())[None])


@pytest.mark.parametrize("mode", MODES)
def test_pixels_are_those_of_training_whatever_the_mode(mode: str) -> None:
    image = picture(mode)
    kind = "PNG" if mode in ("1", "L", "LA", "P", "RGB", "RGBA") else "TIFF"
    values = BiomedGptImageProcessor(image_px=PX)(image)["pixel_values"]
    assert torch.equal(values, expected(as_file(image, kind)))


def test_files_bytes_pictures_and_arrays_are_alike(tmp_path: Path) -> None:
    image = picture()
    path = tmp_path / "scan.png"
    path.write_bytes(as_file(image, "PNG"))
    given = [str(path), path, path.read_bytes(), image, np.asarray(image)]
    values = BiomedGptImageProcessor(image_px=PX)(given)["pixel_values"]
    assert torch.equal(values, expected(path.read_bytes()).expand(5, -1, -1, -1))


@pytest.mark.parametrize("mode", ["I;16B", "I;16L", "I;16N"])
def test_sixteen_bits_in_any_order_are_alike(mode: str) -> None:
    deep = np.asarray(picture("I;16"))
    order = ">u2" if mode == "I;16B" else "<u2"
    image = Image.frombytes(mode, deep.shape[::-1], deep.astype(order).tobytes())
    images = BiomedGptImageProcessor(image_px=PX)
    wanted = images(picture("I;16"))["pixel_values"]
    assert torch.equal(images(image)["pixel_values"], wanted)
    for array in (deep, deep[..., None], deep.astype(">u2")):
        assert torch.equal(images(array)["pixel_values"], wanted)


@pytest.mark.parametrize(
    ("mode", "known"), [("La", "LA"), ("RGBa", "RGBA"), ("PA", "RGBA"), ("HSV", "RGB")]
)
def test_modes_that_no_file_holds_are_converted_first(mode: str, known: str) -> None:
    image = picture("LA" if mode == "La" else "RGB" if mode == "HSV" else "RGBA").convert(mode)
    values = BiomedGptImageProcessor(image_px=PX)(image)["pixel_values"]
    assert torch.equal(values, expected(as_file(image.convert(known), "PNG")))


def test_arrays_with_one_channel_or_transparency_are_what_they_look_like() -> None:
    colours = np.asarray(picture())
    grey, veil = colours[..., 0], np.full(colours.shape[:2], 99, np.uint8)
    clear = np.dstack([colours, veil])
    given = [grey, grey[..., None], clear, colours[:, ::-1]]
    values = BiomedGptImageProcessor(image_px=PX)(given)["pixel_values"]
    wanted = [Image.fromarray(grey), Image.fromarray(grey), Image.fromarray(clear)]
    wanted.append(Image.fromarray(colours[:, ::-1].copy()))
    assert torch.equal(values, torch.cat([expected(as_file(image, "PNG")) for image in wanted]))


def test_no_images_at_all_are_refused() -> None:
    with pytest.raises(UserError, match="an empty list of images"):
        BiomedGptImageProcessor(image_px=PX)([])


def test_a_source_without_an_image_is_grey_and_hidden() -> None:
    features = BiomedGptImageProcessor(image_px=PX)([picture(), None])
    assert features["image_mask"].tolist() == [True, False]
    assert not features["pixel_values"][1].any()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"", "empty-image"),
        (b"no image", "unknown-image-format"),
        (picture(size=(90, 90)), "too-many-pixels"),
        (as_file(picture(size=(90, 90)), "PNG"), "too-many-pixels"),
        (np.zeros((4, 4, 3)), "unknown-array: float64 (4, 4, 3), wanted uint8 (H, W)"),
        (np.zeros((4, 4, 2), np.uint8), "unknown-array: uint8 (4, 4, 2)"),
        (np.zeros((2, 4, 4, 3), np.uint8), "unknown-array: uint8 (2, 4, 4, 3)"),
        (np.zeros((4, 4, 3), np.uint16), "unknown-array: uint16 (4, 4, 3)"),
        (np.zeros((0, 4), np.uint8), "empty-image: an array (0, 4)"),
        (Image.new("RGB", (0, 3)), "empty-image: 0 x 3"),
        ("no/such/file.png", "No such file"),
        ("a\0name", "embedded null byte"),
    ],
    ids=[
        "empty",
        "text",
        "large picture",
        "large file",
        "float array",
        "two channels",
        "a batch",
        "deep colours",
        "empty array",
        "empty picture",
        "absent",
        "no name",
    ],
)
def test_an_image_that_cannot_be_used_is_named(bad: object, why: str) -> None:
    images = BiomedGptImageProcessor(image_px=PX, max_pixels=5000)
    with pytest.raises(UserError, match="image 1 of the batch") as error:
        images([picture(), bad])
    assert why in str(error.value)


def test_text_is_written_and_encoded_as_the_tasks_do(
    processor: BiomedGptProcessor, vocabulary: Vocabulary
) -> None:
    inputs = processor(text=["Is it a CT? ", "left"])
    question = [BOS, *vocabulary.encode(" is it a ct?"), EOS]
    answer = [BOS, *vocabulary.encode(" left"), EOS]
    padded = answer + [PAD] * (len(question) - len(answer))
    assert inputs["input_ids"].tolist() == [question, padded]
    assert inputs["attention_mask"].tolist() == [
        [int(i != PAD) for i in row] for row in (question, padded)
    ]


def test_text_as_given_is_left_alone(processor: BiomedGptProcessor, vocabulary: Vocabulary) -> None:
    inputs = processor(text="Left", as_given=True)
    assert inputs["input_ids"].tolist() == [[BOS, *vocabulary.encode("Left"), EOS]]


def test_a_long_source_is_cut_and_keeps_its_end(processor: BiomedGptProcessor) -> None:
    with pytest.warns(UserWarning, match="cut to 12 tokens"):
        ids = processor(text=LONG)["input_ids"][0].tolist()
    assert len(ids) == 12
    assert ids[-1] == EOS


@pytest.mark.parametrize(
    ("given", "width"),
    [
        ({"padding": "max_length", "max_length": 20}, 20),
        ({"padding": "max_length"}, 12),
        ({"padding": "longest", "max_length": 20}, None),
        ({"pad_to_multiple_of": 4}, 8),
        ({"padding": "max_length", "max_length": 4}, 4),
        ({"padding": False, "return_tensors": None}, None),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*were cut:UserWarning")
def test_padding_and_lengths_are_those_of_tokenizers(
    processor: BiomedGptProcessor, given: dict[str, Any], width: int | None
) -> None:
    texts = [" yes no", " left"]
    settings = {"padding": True, "truncation": True, "return_tensors": "pt", **given}
    wanted = processor.tokenizer(texts, **settings)
    found = processor(text=texts, **given)
    for name in ("input_ids", "attention_mask"):
        rows = [[int(i) for i in row] for row in found[name]]
        assert rows == [[int(i) for i in row] for row in wanted[name]]
        assert width is None or len(rows[0]) == width


@pytest.mark.parametrize("kind", [True, "only_first", "longest_first"])
def test_what_is_cut_is_counted_in_one_warning(processor: BiomedGptProcessor, kind: object) -> None:
    with pytest.warns(UserWarning, match="were cut") as warned:
        inputs = processor(text=["yes", LONG, LONG], truncation=kind, max_length=7)
    assert [str(entry.message) for entry in warned] == [
        "2 of 3 sources were cut to 7 tokens (the longest had 62)"
    ]
    assert inputs["input_ids"].shape == (3, 7)


def test_a_prompt_or_target_that_is_cut_is_counted(processor: BiomedGptProcessor) -> None:
    with pytest.warns(UserWarning, match="1 of 2 prompts or targets were cut to 12 tokens"):
        processor(text=["yes", "no"], text_target=["yes", LONG])


@pytest.mark.parametrize("kind", [False, "do_not_truncate"])
def test_nothing_is_cut_where_nothing_may_be(
    processor: BiomedGptProcessor, kind: object, recwarn: pytest.WarningsRecorder
) -> None:
    inputs = processor(text=["yes", LONG], text_target=["yes", LONG], truncation=kind)
    assert inputs["input_ids"].shape == (2, 62)
    assert inputs["labels"].shape == (2, 61)
    assert not [entry for entry in recwarn if "cut" in str(entry.message)]


def test_an_argument_that_nothing_takes_is_named(processor: BiomedGptProcessor) -> None:
    with pytest.raises(UserError, match="BiomedGptProcessor knows no argument max_lenght"):
        processor(text="yes", max_lenght=20)
    with pytest.raises(UserError, match="BiomedGptImageProcessor knows no argument do_resize"):
        processor.image_processor(picture(), do_resize=False)


def test_targets_are_those_of_an_encoded_example(
    processor: BiomedGptProcessor, vocabulary: Vocabulary
) -> None:
    questions, answers = ["Is it a CT?", "side?"], ["yes", "left no"]
    inputs = processor(text=questions, prompt=questions, text_target=answers)
    for row, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        prefix, target = vocabulary.encode(f" {question.lower()}"), vocabulary.encode(f" {answer}")
        example = EncodedExample([], prefix, [*target, EOS], 0)
        length = len(example.prev)
        assert inputs["decoder_input_ids"][row, :length].tolist() == example.prev
        labels = [-100 if label == PAD else label for label in example.labels]
        assert inputs["labels"][row, :length].tolist() == labels
        assert set(inputs["labels"][row, length:].tolist()) <= {-100}


def test_prompts_of_different_lengths_are_refused(processor: BiomedGptProcessor) -> None:
    with pytest.raises(UserError, match="different lengths"):
        processor(text=["yes", "no"], prompt=["yes", "is it a ct of the chest?"])


def test_as_many_images_as_texts_are_needed(processor: BiomedGptProcessor) -> None:
    with pytest.raises(UserError, match="2 images for 1 texts"):
        processor(images=[picture(), picture()], text="yes")


BYTES = train_vocabulary(["yes no </s> <code_5>"] * 3, num_merges=40, num_codes=16, num_bins=8)


@pytest.fixture(scope="module")
def spelling(tmp_path_factory: pytest.TempPathFactory) -> BiomedGptTokenizer:
    folder = tmp_path_factory.mktemp("spelling")
    BYTES.save(folder)
    return BiomedGptTokenizer.from_pretrained(folder)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_comes_back(spelling: BiomedGptTokenizer, text: str) -> None:
    ids = spelling(text)["input_ids"]
    assert ids == [BOS, *BYTES.encode(text), EOS]
    assert spelling.decode(ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("text", ["</s>", "<code_5>", "<mask>", "a <pad> <bin_3><s>"])
def test_special_ids_never_come_out_of_text(spelling: BiomedGptTokenizer, text: str) -> None:
    ids = spelling(text, add_special_tokens=False)["input_ids"]
    assert all(4 <= i < BYTES.mask_id for i in ids)


def test_ids_and_their_names(spelling: BiomedGptTokenizer) -> None:
    assert len(spelling) == spelling.vocab_size == BYTES.size
    assert spelling.convert_tokens_to_ids(["<code_5>", "<bin_3>", "<mask>"]) == [
        BYTES.code_id(5),
        BYTES.bin_id(3),
        BYTES.mask_id,
    ]
    assert spelling.decode([BOS, *BYTES.encode("yes"), BYTES.code_id(5), EOS, PAD]) == (
        "<s>yes<code_5></s><pad>"
    )


@pytest.mark.parametrize("token", [-100, -1, BYTES.size])
def test_an_id_out_of_range_has_no_name(spelling: BiomedGptTokenizer, token: int) -> None:
    with pytest.raises(ValueError, match=f"id {token} is out of range"):
        spelling.convert_ids_to_tokens([token])


def test_saving_and_reading_give_the_same(processor: BiomedGptProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    again = BiomedGptTokenizer.from_pretrained(tmp_path)
    assert again.vocabulary.order == processor.tokenizer.vocabulary.order
    assert again.model_max_length == 12
    assert {path.suffix for path in tmp_path.iterdir()} == {".json"}


def trained_folder(folder: Path, vocabulary: Path) -> Path:
    settings = {"image_px": PX, "max_source_tokens": 9}
    counts = {"in": 0, "out": 0}
    write_manifest(
        folder, stage="finetune", identity={}, settings=settings, inputs=[vocabulary], counts=counts
    )
    return folder


def test_a_trained_folder_says_how_it_is_to_be_asked(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    vocabulary.save(tmp_path / "vocabulary")
    model = trained_folder(tmp_path / "model", tmp_path / "vocabulary")
    processor = BiomedGptProcessor.from_folder(model, tmp_path / "vocabulary")
    with pytest.warns(UserWarning, match="cut to 9 tokens"):
        inputs = processor(images=picture(), text=LONG)
    assert inputs["pixel_values"].shape == (1, 3, PX, PX)
    assert inputs["input_ids"].shape == (1, 9)


def test_another_vocabulary_than_the_models_is_refused(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    vocabulary.save(tmp_path / "vocabulary")
    model = trained_folder(tmp_path / "model", tmp_path / "vocabulary")
    BYTES.save(tmp_path / "vocabulary")
    with pytest.raises(UserError, match="another vocabulary"):
        BiomedGptProcessor.from_folder(model, tmp_path / "vocabulary")


def imported_folder(folder: Path, num_ids: int) -> Path:
    """A model without a manifest, as ``biomedgpt import`` leaves one."""
    small = {"image_bucket_size": 8, "max_positions": 40, "original_image_size": 48}
    save_model(UnifiedModel(model_config("debug", num_ids, **small)), folder)
    return folder


def test_an_imported_model_is_asked_with_a_vocabulary_that_is_named(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    vocabulary.save(tmp_path / "vocabulary")
    model = imported_folder(tmp_path / "model", vocabulary.size)
    processor = BiomedGptProcessor.from_folder(model, tmp_path / "vocabulary")
    with pytest.warns(UserWarning, match="cut to 40 tokens"):
        inputs = processor(images=picture(), text=LONG)
    assert inputs["pixel_values"].shape == (1, 3, 48, 48)
    assert inputs["input_ids"].shape == (1, 40)
    told = BiomedGptProcessor.from_folder(
        model, tmp_path / "vocabulary", image_px=32, max_source_tokens=11
    )
    told.save_pretrained(tmp_path / "saved")
    register()
    again = BiomedGptProcessor.from_pretrained(tmp_path / "saved")
    for known in (told, again):
        assert (known.image_processor.image_px, known.tokenizer.model_max_length) == (32, 11)


def test_a_vocabulary_of_another_size_than_an_imported_model_s_is_refused(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    vocabulary.save(tmp_path / "vocabulary")
    model = imported_folder(tmp_path / "model", vocabulary.size + 1)
    with pytest.raises(UserError, match=f"has {vocabulary.size + 1} tokens") as caught:
        BiomedGptProcessor.from_folder(model, tmp_path / "vocabulary")
    assert "encoder.json, vocab.bpe and dict.txt" in caught.value.next_command


def test_a_folder_without_a_vocabulary_says_what_belongs_there(tmp_path: Path) -> None:
    model = imported_folder(tmp_path / "model", 60)
    with pytest.raises(UserError, match="holds no vocabulary") as caught:
        BiomedGptProcessor.from_folder(model, tmp_path)
    assert "vocabulary.json nor encoder.json, vocab.bpe, dict.txt" in caught.value.why


def test_the_released_files_are_a_vocabulary_by_path(shared_data: Path, tmp_path: Path) -> None:
    model = imported_folder(tmp_path / "model", VOCABULARY_SIZE)
    processor = BiomedGptProcessor.from_folder(model, shared_data / "bpe")
    processor.save_pretrained(tmp_path / "saved")
    register()
    again = BiomedGptProcessor.from_pretrained(tmp_path / "saved")
    for known in (processor, again):
        ids = known(text="What does the image describe?")["input_ids"][0].tolist()
        assert known.decode(ids, skip_special_tokens=True) == " what does the image describe?"
        assert ids == [0, 99, 473, 5, 2274, 6190, 116, 2]
