import gzip
import pickle
import struct

import numpy as np
import pytest

from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ConfigError, ShapeError

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 256, (6, 3, 4, 5), dtype=np.uint8), np.array([0, 2, 1, 0, 3, 2])


def test_the_embedded_digits_have_fixed_parts():
    test, training = load_data("digits"), load_data("digits-train")
    assert test.images.shape == (500, 1, 8, 8)
    assert training.images.shape == (1297, 1, 8, 8)
    assert test.images.dtype == np.uint8
    assert (test.images.min(), test.images.max(), test.classes) == (0, 255, 10)
    assert load_data("digits", split="train") is training
    assert len(load_data("digits-all")) == 1797


def test_an_npz_is_read(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, images=IMAGES, labels=LABELS.astype(np.uint8))
    data = load_data(str(path))
    assert np.array_equal(data.images, IMAGES)
    assert np.array_equal(data.labels, LABELS)
    assert (data.classes, data.labels.dtype, len(data.take(2).labels)) == (None, np.int64, 2)
    np.savez(path, images=IMAGES / 255)
    data = load_data(path)
    assert (data.labels, data.classes, data.images.dtype) == (None, None, np.float32)
    with pytest.raises(ConfigError, match="7 images requested, but it has 6"):
        data.take(7)


@pytest.mark.parametrize(
    "labels",
    [RNG.integers(0, 255, (6, 4, 5), dtype=np.uint8), RNG.normal(size=6), RNG.integers(-1, 9, (6, 7)), LABELS - 5],
)
def test_labels_of_other_tasks_are_read_as_they_are_stored(labels, tmp_path):
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=labels)
    data = load_data(tmp_path / "set.npz")
    assert np.array_equal(data.labels, labels)
    assert data.labels.dtype == labels.dtype
    assert data.classes is None


def test_labels_that_are_missing_are_asked_for_in_the_words_of_the_task(tmp_path):
    np.savez(tmp_path / "set.npz", images=IMAGES)
    data = load_data(tmp_path / "set.npz")
    with pytest.raises(ConfigError, match="labels: missing; needed: what the outputs of each image should be"):
        data.check((3, 4, 5), needs_labels=True)
    with pytest.raises(ConfigError, match="needed: the class of each image"):
        data.check((3, 4, 5), 4)


def test_signals_and_tokens_are_read_and_normalised_by_channel(tmp_path):
    signals, tokens = RNG.normal(size=(6, 2, 9)).astype(np.float32), RNG.integers(0, 99, (6, 9))
    for name, values in (("signals", signals), ("tokens", tokens)):
        np.savez(tmp_path / f"{name}.npz", images=values, labels=LABELS)
        assert np.array_equal(load_data(tmp_path / f"{name}.npz").images, values)
    assert np.allclose(normalize_images(signals, [1, 2], 2), (signals - [[1], [2]]) / 2, atol=1e-6)
    assert np.array_equal(normalize_images(tokens), tokens)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": IMAGES}, "images: no such array; it holds pictures"),
        ({"images": IMAGES[0, 0, 0]}, r"images: shape \(5,\) is not"),
        ({"images": IMAGES[:0]}, "holds no image"),
        ({"images": IMAGES.astype(complex)}, "type complex128 is neither uint8, whole numbers"),
        ({"images": np.where(IMAGES > 250, np.nan, IMAGES)}, "NaN or infinite"),
        ({"images": IMAGES, "labels": LABELS[:3]}, r"labels: shape \(3,\) for 6 images"),
        ({"images": IMAGES, "labels": LABELS.astype("U1")}, "labels: type <U1 is not a type of numbers"),
        ({"images": IMAGES, "labels": np.zeros((3, 4, 5))}, r"labels: shape \(3, 4, 5\) for 6 images"),
        ({"images": np.array([[1, "a"]], object)}, "holds pickled objects, which are not unpickled"),
        ({"images": IMAGES, "labels": np.array([1, None] * 3)}, "holds pickled objects"),
    ],
)
def test_an_npz_that_breaks_a_rule_is_refused_with_file_and_rule(arrays, message, tmp_path):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(ConfigError, match=f"bad.npz: .*{message}"):
        load_data(path)


def test_damaged_files_are_refused_with_their_name(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, images=IMAGES, labels=LABELS)
    content = path.read_bytes()
    for length in (0, 10, len(content) // 3, len(content) - 40):
        path.write_bytes(content[:length])
        with pytest.raises(ConfigError, match=r"set.npz: not an .npz"):
            load_data(path)
    flipped = bytearray(content)
    flipped[200] ^= 255
    path.write_bytes(flipped)
    with pytest.raises(ConfigError, match=r"set.npz: not an .npz"):
        load_data(path)
    np.save(tmp_path / "array.npy", IMAGES)
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    with pytest.raises(ConfigError, match=r"array.npz: not an .npz"):
        load_data(tmp_path / "array.npz")


def test_sources_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing.npz: no such file"):
        load_data(tmp_path / "nothing.npz")
    with pytest.raises(ConfigError, match="has no images in folders by class"):
        load_data(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"notes.txt: not an .npz file, a folder of images or 'digits'"):
        load_data(tmp_path / "notes.txt")
    with pytest.raises(ConfigError, match="split: 'dev'"):
        load_data("digits", split="dev")


def cifar(count):
    return RNG.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8), RNG.integers(0, 10, count)


def test_cifar_batches_are_read_in_both_forms(tmp_path):
    images, labels = cifar(7)
    binary, python = tmp_path / "binary", tmp_path / "python"
    binary.mkdir()
    python.mkdir()
    records = np.concatenate([labels[:, None].astype(np.uint8), images.reshape(7, -1)], axis=1)
    (binary / "data_batch_1.bin").write_bytes(records[:4].tobytes())
    (binary / "data_batch_2.bin").write_bytes(records[4:].tobytes())
    for protocol in (2, 4, 5):
        batch = {b"data": images.reshape(7, -1), b"labels": labels.tolist(), b"batch_label": b"testing batch 1 of 1"}
        (python / "test_batch").write_bytes(pickle.dumps(batch, protocol=protocol))
        found = load_data(python)
        assert np.array_equal(found.images, images)
        assert np.array_equal(found.labels, labels)
        assert (found.classes, found.class_names[3]) == (10, "cat")
    found = load_data(binary, split="train")
    assert np.array_equal(found.images, images)
    assert np.array_equal(found.labels, labels)


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code from a data file ran')",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({b"data": Trap(), b"labels": []}), "builtins.exec, which is not unpickled"),
        (pickle.dumps({b"data": np.array([None]), b"labels": []}), "holds an array of type O8"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8)}), "data or labels are missing"),
        (pickle.dumps([1, 2]), "holds no dictionary"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 10]}), "outside the 10 classes"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, b"a"]}), "labels: not whole numbers"),
        (pickle.dumps({b"data": np.zeros((2, 3000), np.uint8), b"labels": [1, 1]}), r"is not uint8 \(images, 3072\)"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}), r"labels: shape \(1,\) for 2 images"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8)})[:-100], "damaged one: pickle data was truncated"),
        (b"not a pickle", "not a CIFAR-10 batch, or a damaged one"),
    ],
)
def test_a_python_batch_with_anything_else_in_it_is_refused(content, message, tmp_path):
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_data(tmp_path)


def test_a_cut_binary_batch_is_refused(tmp_path):
    (tmp_path / "test_batch.bin").write_bytes(bytes(3073 * 2 - 5))
    with pytest.raises(ConfigError, match=r"test_batch.bin: 6141 bytes are not whole records"):
        load_data(tmp_path)


def idx(array, code):
    return b"\0\0" + bytes([code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_are_read_plain_and_zipped(zipped, tmp_path):
    images, labels = RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8), np.arange(5, dtype=np.uint8)
    for part, array in (("images-idx3", images), ("labels-idx1", labels)):
        content = idx(array, 8)
        path = tmp_path / f"t10k-{part}-ubyte{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(content) if zipped else content)
    found = load_data(tmp_path)
    assert np.array_equal(found.images[:, 0], images)
    assert np.array_equal(found.labels, labels)
    assert found.classes == 5
    with pytest.raises(ConfigError, match="contains no idx file train-images"):
        load_data(tmp_path, split="train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(np.zeros((2, 3, 3), np.uint8), 8)[:-1], r"holds 17 bytes of data, shape \(2, 3, 3\) needs 18"),
        (b"\0\0\x08\x03\0\0", "header is incomplete"),
        (b"GIF89a", "not an idx file"),
        (b"", "not an idx file"),
    ],
)
def test_a_damaged_idx_file_is_refused(content, message, tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_data(tmp_path)


def test_a_folder_of_one_folder_per_class_is_read(tmp_path):
    library = pytest.importorskip("PIL.Image")
    for name, colour in (("cat", 10), ("ant", 200)):
        (tmp_path / name).mkdir()
        library.fromarray(np.full((4, 6, 3), colour, np.uint8)).save(tmp_path / name / "one.png")
    found = load_data(tmp_path)
    assert found.images.shape == (2, 3, 4, 6)
    assert (found.images[:, 0, 0, 0].tolist(), found.class_names) == ([200, 10], ("ant", "cat"))
    library.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / "cat" / "two.png")
    with pytest.raises(ConfigError, match=r"two.png: 5 x 5 pixels, the first image has 6 x 4"):
        load_data(tmp_path)
    (tmp_path / "cat" / "two.png").write_bytes(b"no image")
    with pytest.raises(ConfigError, match=r"two.png: not an image"):
        load_data(tmp_path)


def test_grey_images_have_one_channel(tmp_path):
    library = pytest.importorskip("PIL.Image")
    (tmp_path / "train" / "a").mkdir(parents=True)
    library.fromarray(np.full((3, 3), 9, np.uint8)).save(tmp_path / "train" / "a" / "x.png")
    assert load_data(tmp_path, split="train").images.shape == (1, 1, 3, 3)


def test_the_tiny_imagenet_layout_is_read(tmp_path):
    library = pytest.importorskip("PIL.Image")
    (tmp_path / "wnids.txt").write_text("n2\nn1\n")
    folder = tmp_path / "val" / "images"
    folder.mkdir(parents=True)
    for name, colour in (("val_0.JPEG", 0), ("val_1.JPEG", 255)):
        library.fromarray(np.full((8, 8, 3), colour, np.uint8)).save(folder / name)
    table = tmp_path / "val" / "val_annotations.txt"
    table.write_text("val_0.JPEG\tn2\t0\t0\t1\t1\nval_1.JPEG\tn1\t0\t0\t1\t1\n")
    found = load_data(tmp_path)
    assert (found.labels.tolist(), found.class_names) == ([1, 0], ("n1", "n2"))
    table.write_text("val_0.JPEG\tn3\n")
    with pytest.raises(ConfigError, match=r"val_annotations.txt: line 1"):
        load_data(tmp_path)


def test_pixels_are_divided_by_255_before_normalising():
    images = np.array([0, 51, 255], np.uint8).reshape(1, 3, 1, 1)
    assert np.allclose(normalize_images(images).ravel(), [0, 0.2, 1])
    assert np.allclose(normalize_images(images, 0.5, [1, 2, 4]).ravel(), [-0.5, -0.15, 0.125])
    expected = (np.array([0, 0.2, 1]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert np.allclose(normalize_images(images, "imagenet").ravel(), expected)
    assert np.allclose(normalize_images(images / 255, "imagenet").ravel(), expected)


@pytest.mark.parametrize(
    ("images", "arguments", "error", "message"),
    [
        (IMAGES, ("cifar",), ConfigError, "'cifar' is not a preset; known: imagenet"),
        (IMAGES, ("imagenet", 1.0), ConfigError, "includes the standard deviation"),
        (IMAGES, (0.0, 0.0), ConfigError, "std: 0.0 is not above 0"),
        (IMAGES, ([1.0, 2.0],), ConfigError, "mean: 2 numbers for 3 channels"),
        (IMAGES, (np.nan,), ConfigError, "mean: nan is not finite"),
        (IMAGES[:, :1], ("imagenet",), ConfigError, "mean: 3 numbers for 1 channels"),
        (IMAGES[0, 0, 0], (), ShapeError, "expected shape"),
        (IMAGES.astype(complex), (), ShapeError, "expected numbers"),
        (np.full((1, 1, 1, 1), np.inf), (), ShapeError, "NaN or infinite"),
    ],
)
def test_normalisation_refuses_what_it_cannot_mean(images, arguments, error, message):
    with pytest.raises(error, match=message):
        normalize_images(images, *arguments)
