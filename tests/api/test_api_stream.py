"""Streams: the bits of the array form, whatever gives the images; errors before work; memory that does not grow."""

import tracemalloc

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.api.kept import KeptOutputs
from xbarsim.data import Dataset, load_data, normalize_images, open_stream, prefetch
from xbarsim.errors import ConfigError, ShapeError

CHANGES = {"device.read_noise.sigma": 0.03, "crossbar.rows": 32, "crossbar.cols": 32}


@pytest.fixture(scope="module")
def data():
    found = load_data("digits")
    return normalize_images(found.images[:90]), found.labels[:90]


@pytest.fixture(scope="module")
def hardware():
    return xs.load_hardware("reference").override(CHANGES)


@pytest.fixture(scope="module")
def expected(data, hardware):
    return xs.simulate("digits", hardware, *data, trials=2)


class Mapped:
    """A data set that is indexed, as those of PyTorch; it does not say where it ends."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index % len(self)], int(self.labels[index % len(self)])


class Columns:
    """A data set of rows by column, as those of Hugging Face."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __iter__(self):
        for image, label in zip(self.images, self.labels):
            yield {"idx": 3, "pixel_values": image.tolist(), "label": int(label)}


class Tensor:
    """An array of another package, on another device."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    def cpu(self):
        return self.values


def blocks(images, labels, sizes=(17, 40, 1, 32)):
    first = 0
    for size in sizes:
        yield images[first : first + size], labels[first : first + size]
        first += size


FORMS = {
    "generator": lambda x, y: blocks(x, y),
    "list of blocks": lambda x, y: list(blocks(x, y)),
    "one by one": lambda x, y: zip(x, y),
    "indexed": Mapped,
    "columns": Columns,
    "blocks by name": lambda x, y: ({"images": a, "labels": b} for a, b in blocks(x, y)),
    "another package": lambda x, y: [[Tensor(a), Tensor(b)] for a, b in blocks(x, y)].__iter__(),
    "data set": lambda x, y: Dataset(images=x, labels=y, name="mine", classes=None),
    "stream": lambda x, y: open_stream(blocks(x, y), normalize=False),
}


def check(found, expected):
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    assert found.metric == expected.metric
    assert found.accuracy == expected.accuracy
    assert found.cost == expected.cost
    assert found.provenance == expected.provenance


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_stream_has_the_bits_of_an_array(data, hardware, expected, form):
    check(xs.simulate("digits", hardware, form(*data), trials=2), expected)


def test_blocks_may_have_any_size_and_calibration_images_stand_apart(data, hardware):
    images, labels = data
    given = {"calibration": images[5:25], "seed": 4}
    expected = xs.simulate("digits", hardware, images, labels, **given)
    check(xs.simulate("digits", hardware, blocks(images, labels), batch_size=7, **given), expected)


def test_a_memory_map_is_read_in_parts(data, hardware, expected, tmp_path):
    images, labels = data
    np.save(tmp_path / "images.npy", images)
    check(xs.simulate("digits", hardware, np.load(tmp_path / "images.npy", mmap_mode="r"), labels, trials=2), expected)


def test_folders_of_shards_and_of_images_are_streams(data, hardware, tmp_path):
    pixels = load_data("digits").images[:30]
    labels = data[1][:30]
    expected = xs.simulate("digits", hardware, normalize_images(pixels), labels)
    (tmp_path / "shards").mkdir()
    for number, part in enumerate((slice(0, 13), slice(13, 30))):
        np.savez(tmp_path / "shards" / f"{number}.npz", images=pixels[part], labels=labels[part])
    check(xs.simulate("digits", hardware, tmp_path / "shards"), expected)
    image = pytest.importorskip("PIL.Image")
    if pixels.dtype == np.uint8:
        order = np.argsort(labels, kind="stable")
        for place, index in enumerate(order):
            folder = tmp_path / "files" / f"class {labels[index]}"
            folder.mkdir(parents=True, exist_ok=True)
            image.fromarray(pixels[index, 0]).save(folder / f"{place:03}.png")
        whole = load_data(tmp_path / "files")
        expected = xs.simulate("digits", hardware, normalize_images(whole.images), whole.labels)
        check(xs.simulate("digits", hardware, str(tmp_path / "files")), expected)


@pytest.mark.slow
def test_a_data_loader_of_pytorch_is_a_stream(data, hardware, expected):
    torch = pytest.importorskip("torch")
    images, labels = map(torch.tensor, data)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, labels), batch_size=16)
    check(xs.simulate("digits", hardware, loader, trials=2), expected)


def test_a_generator_is_read_once_and_never_far_ahead(data, hardware):
    images, labels = data
    given, computed = [], []

    def read():
        for first in range(0, 90, 10):
            given.append(first)
            assert first <= 10 * (len(computed) + 4 + 7)  # the first 64 images calibrate
            yield images[first : first + 10], labels[first : first + 10]

    def seen(stage, done, total):
        if stage == "images":
            computed.append(done)

    xs.simulate("digits", hardware, read(), trials=3, batch_size=10, progress=seen)
    assert given == list(range(0, 90, 10))
    assert computed == list(range(10, 100, 10))


def test_several_outputs_and_functions_are_judged_alike(data, hardware):
    images, labels = data

    def margin(outputs, truth):
        return float(outputs[np.arange(len(truth)), truth].mean())

    expected = xs.simulate("digits", hardware, images, labels, metric=margin)
    assert xs.simulate("digits", hardware, blocks(*data), metric=margin).metric == expected.metric
    top5 = xs.simulate("digits", hardware, images, labels, metric="top5")
    assert xs.simulate("digits", hardware, blocks(*data), metric="top5").metric == top5.metric
    assert xs.simulate("digits", hardware, (x for x, _ in blocks(*data))).metric is None


@pytest.mark.parametrize(
    ("items", "rule"),
    [
        (lambda x, y: iter(()), "images: none given; an iterator that was read before"),
        (lambda x, y: iter([(x[:4], y[:4]), (x[4:8], None)]), "item 1: labels are given for some images"),
        (lambda x, y: iter([(x[:4], y[:3])]), r"item 0: labels of shape \(3,\) for 4 images"),
        (lambda x, y: iter([(x[:4, :, :4], y[:4])]), r"item 0: images of shape \(4, 1, 4, 8\)"),
        (lambda x, y: iter([(x[:4] * np.nan, y[:4])]), "images: hold NaN"),
        (lambda x, y: iter([((x[:4] * 9).astype(np.uint8), y[:4])]), "images: uint8 pixels"),
        (lambda x, y: iter([(x[:4], y[:4] + 20)]), "labels: 2. is outside the 10 classes"),
        (lambda x, y: iter([{"a": x[:4]}]), "data: columns a; none is called images"),
        (lambda x, y: 3, "int is neither an array"),
        (lambda x, y: "no_such_folder", "no such file or folder"),
    ],
)
def test_items_that_are_no_images_are_refused_in_one_line(data, hardware, items, rule):
    with pytest.raises((ConfigError, ShapeError), match=rule) as caught:
        xs.simulate("digits", hardware, items(*data))
    assert len(str(caught.value)) <= 400


def test_labels_given_twice_or_of_another_number_are_refused(data, hardware):
    images, labels = data
    with pytest.raises(ConfigError, match="the number of images is not known; give labels with the images"):
        xs.simulate("digits", hardware, blocks(images, labels), labels)
    with pytest.raises(ShapeError, match="does not match 90 images"):
        xs.simulate("digits", hardware, np.broadcast_to(images, images.shape), labels[:5], workers=1)
    with pytest.raises(ConfigError, match="labels: given separately, but the items of the data have their own"):
        list(open_stream(blocks(images, labels), labels).blocks((1, 8, 8), 10))
    with pytest.raises(ShapeError, match=r"item 0: labels of shape \(5,\) for 17 images"):
        list(open_stream((x for x, _ in blocks(images, labels)), labels[:5]).blocks((1, 8, 8), 10))


def test_an_error_of_the_reader_rises_and_its_thread_ends(data):
    def read():
        yield data[0][:5], data[1][:5]
        raise OSError("disk")

    stream = open_stream(read(), normalize=False)
    ready = prefetch(stream.blocks((1, 8, 8), 5))
    assert len(next(ready).images) == 5
    with pytest.raises(OSError, match="disk"):
        next(ready)


def test_the_first_images_of_a_stream_can_be_taken(data):
    stream = open_stream(blocks(*data), normalize=False).take(50)
    sizes = [len(block.images) for block in stream.blocks((1, 8, 8), 20)]
    assert sizes == [20, 20, 10]
    with pytest.raises(ConfigError, match="100 images requested, but it has 90"):
        list(open_stream(blocks(*data)).take(100).blocks((1, 8, 8), 20))
    with pytest.raises(ConfigError, match="100 images requested, but it has 90"):
        open_stream(data[0]).take(100)


def test_large_outputs_lie_in_a_file_that_is_mapped():
    rng = np.random.default_rng(0)
    parts = {first: rng.standard_normal((3, 10, 7)).astype(np.float32) for first in (20, 0, 10, 30)}
    small, large = KeptOutputs(), KeptOutputs(keep_bytes=1000)
    for first, values in parts.items():
        small.put(first, values)
        large.put(first, values)
    joined = large.join()
    large.close()
    assert isinstance(joined, np.memmap)
    np.testing.assert_array_equal(joined, small.join())
    np.testing.assert_array_equal(joined, np.concatenate([parts[first] for first in sorted(parts)], axis=1))


@pytest.mark.slow
def test_memory_stays_flat_over_20000_images(data):
    images, labels = data
    peaks = []

    def read(count):
        for first in range(0, count, 100):
            pick = np.arange(first, first + 100) % 90
            yield images[pick], labels[pick]

    for count in (2000, 20000):
        hardware = xs.load_hardware("nax")
        if not peaks:
            xs.simulate("digits", hardware, read(500), threads=1, batch_size=100)  # compiled code, caches
        tracemalloc.start()
        report = xs.simulate("digits", hardware, read(count), threads=1, batch_size=100)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(report.outputs[0]) == count
    outputs = 18000 * 3 * 10 * 4 * 2  # kept in blocks, then joined
    assert peaks[1] <= 1.05 * peaks[0] + outputs
