"""Writes what Pillow and transformers' processors of Pillow make of pictures before any model sees them: `tests/fixtures/visual/pictures/`.

Large pictures are not kept: `drawn` draws them from whole numbers alone, and so can who reads the fixture.
"""

import io
import shutil
import struct
import warnings
import zlib

import numpy as np
from PIL import Image
from transformers.image_transforms import convert_to_rgb
from transformers.image_utils import load_image
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from record import float32
from visual import VISUAL, bytes_of, digest, picture, save_tensors, start, write_json

FOLDER = VISUAL / "pictures"
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
RESIZES = [
    ("picture", (12, 7)), ("picture", (61, 40)), ("picture", (37, 9)), ("picture", (5, 23)), ("picture", (37, 23)), ("picture", (1, 1)),
    ("dot", (5, 4)), ("wide", (7, 3)), ("wide", (130, 1)), ("tall", (9, 11)), ("checks", (19, 19)), ("checks", (3, 5)), ("large", (4, 3)),
]  # fmt: skip
# Width, height, longest edge, split.
SPLITS = [
    (1240, 1754, 2048, True), (300, 200, 2048, True), (1, 1, 2048, True), (3, 700, 2048, True), (1000, 999, 1024, True),
    (1920, 1080, 1536, True), (640, 480, 512, True), (300, 200, 2048, False),
]  # fmt: skip
SIZES = [
    (1240, 1754), (1754, 1240), (1275, 1650), (1920, 1080), (1000, 1000), (300, 200), (1, 1), (3, 2000), (2000, 3), (4000, 5), (5, 4000), (640, 480),
    (2048, 2048), (5000, 3000), (4000, 3000), (13, 2000), (512, 512), (513, 512), (511, 2047), (2049, 1024), (1000, 999), (999, 1000), (100, 33), (33, 100),
    (7, 9), (28, 28), (29, 27), (42, 42), (14, 14), (70, 98), (1, 200), (200, 1), (199, 1), (596, 842), (2480, 3508), (65500, 400),
]  # fmt: skip
EDGES = [2048, 1536, 1024, 512, 8192]
QWEN = [(300, 200), (77, 131), (1, 1), (5, 900), (1240, 1754)]
LIMITS = [(3136, 602112), (3136, 1003520)]


def drawn(width: int, height: int) -> np.ndarray:
    """Red from x² and y, green from x·y, blue from squares of 7 × 5 and x ^ y."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    channels = [(x * x // 50 + y) % 256, (x * y // 64) % 256, (x // 7 + y // 5) % 2 * 200 + (x ^ y) % 56]
    return np.stack(channels, axis=-1).astype(np.uint8)


def sources() -> dict[str, np.ndarray]:
    checks = (np.indices((8, 8)).sum(0) % 2 * 255).astype(np.uint8)
    return {
        "picture": np.asarray(picture(37, 23, 1)), "dot": np.array([[[200, 3, 255]]], np.uint8), "wide": np.asarray(picture(64, 2, 2)),
        "tall": np.asarray(picture(2, 70, 3)), "checks": checks[..., None].repeat(3, -1), "large": np.asarray(picture(120, 90, 4)),
    }  # fmt: skip


def resized() -> tuple[list[dict], dict]:
    pictures = sources()
    tensors = {f"source.{name}": value for name, value in pictures.items()}
    cases = []
    for source, size in RESIZES:
        for name, method in FILTERS.items():
            tensors[f"resize.{len(cases)}"] = np.asarray(Image.fromarray(pictures[source]).resize(size, method))
            cases.append({"source": source, "size": list(size), "filter": name})
    return cases, tensors


def idefics3(edge: int, split: bool = True, kind=Idefics3ImageProcessorPil) -> Idefics3ImageProcessorPil:
    return kind(size={"longest_edge": edge}, max_image_size={"longest_edge": 512}, resample=1, do_image_splitting=split, **HALF)


def split(width: int, height: int, edge: int, may_split: bool) -> dict:
    found = idefics3(edge, may_split)(Image.fromarray(drawn(width, height)), return_row_col_info=True, return_tensors="pt")
    tiles = bytes_of(found["pixel_values"][0]).transpose(0, 2, 3, 1)
    return {
        "size": [width, height], "longest_edge": edge, "tile": 512, "split": may_split, "rows": found["rows"][0][0], "columns": found["cols"][0][0],
        "tiles": [digest(tile) for tile in tiles], "row_100": [tile[100, :6].tolist() for tile in tiles],
    }  # fmt: skip


class Sizes(Idefics3ImageProcessorPil):
    """Resizes nothing, remembers to what."""

    def resize(self, image, size, resample=None, **kwargs):
        if not hasattr(self, "seen"):
            self.seen = []
        from transformers.models.idefics3.image_processing_pil_idefics3 import get_resize_output_image_size

        height, width = get_resize_output_image_size(image, size.longest_edge) if size.longest_edge else (size.height, size.width)
        self.seen.append([width, height])
        return np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (3, height, width))


def split_sizes(width: int, height: int, edge: int) -> dict:
    """The first size keeps the shape, the second one is that of the tiles together; of a page of one tile there is no third."""
    processor = idefics3(edge, kind=Sizes)
    blank = np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (3, height, width))
    found = processor(blank, input_data_format="channels_first", return_row_col_info=True, do_rescale=False, do_normalize=False, do_pad=False)
    return {"size": [width, height], "longest_edge": edge, "resized": processor.seen[:2], "rows": found["rows"][0][0], "columns": found["cols"][0][0]}


def samples(values: np.ndarray, count: int = 16) -> list:
    """Row, column and value of some numbers of a matrix."""
    generator = np.random.default_rng(7)
    places = [(0, 0), *zip(generator.integers(len(values), size=count).tolist(), generator.integers(values.shape[1], size=count).tolist())]
    return [[row, column, float32(values[row, column])] for row, column in places]


def qwen2(width: int, height: int, limits: tuple[int, int]) -> dict:
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": limits[0], "longest_edge": limits[1]})
    image = Image.fromarray(drawn(width, height))
    found = processor(image, return_tensors="np")
    patches, [_, rows, columns] = found["pixel_values"], found["image_grid_thw"][0].tolist()
    flat = np.asarray(image.resize((columns * 14, rows * 14), Image.Resampling.BICUBIC))
    normal = (flat / 255 - processor.image_mean) / processor.image_std
    first = normal[:14, :14].transpose(2, 0, 1)[:, None].repeat(2, 1).flatten()
    assert np.abs(first - patches[0]).max() < 1e-5
    return {"size": [width, height], "limits": list(limits), "grid": [rows, columns], "resized": digest(flat), "samples": samples(patches)}


def smart_size(width: int, height: int, limits: tuple[int, int]) -> dict:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    entry = {"size": [width, height], "limits": list(limits)}
    try:
        resized_height, resized_width = smart_resize(height, width, 28, *limits)
    except ValueError:
        return entry | {"resized": None}
    return entry | {"resized": [resized_width, resized_height]}


def siglip(width: int, height: int) -> dict:
    processor = SiglipImageProcessorPil(size={"height": 448, "width": 448}, resample=3, **HALF)
    pixels = processor(Image.fromarray(drawn(width, height)), return_tensors="pt")["pixel_values"][0]
    flat = bytes_of(pixels).transpose(1, 2, 0)
    return {"size": [width, height], "side": 448, "resized": digest(flat), "row_100": flat[100, :6].tolist()}


def png(width: int, height: int, depth: int, colour: int, rows: list[bytes], **chunks: bytes) -> bytes:
    """A PNG of a kind that Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    extra = b"".join(chunk(name.encode(), data) for name, data in chunks.items())
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def sixteen(channels: int, width: int = 17, height: int = 13) -> list[bytes]:
    """Numbers of 16 bits, big end first, over their whole range."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    values = np.stack([(x * 4001 + y * 977 + channel * 20011) % 65536 for channel in range(channels)], axis=-1)
    values[0, :4] = np.array([0, 128, 255, 256])[:, None]
    return [row.astype(">u2").tobytes() for row in values]


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def without_segment(jpeg: bytes, marker: int) -> bytes:
    at = jpeg.index(bytes([0xFF, marker]))
    return jpeg[:at] + jpeg[at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0] :]


def oriented(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def files() -> dict[str, bytes]:
    colour = picture(25, 18, 9, (3, 3, 9, 7))
    smooth = colour.resize((25, 18), Image.Resampling.BILINEAR, box=(0, 0, 8, 6))
    alpha = Image.fromarray((np.indices((18, 25)).sum(0) * 6).astype(np.uint8), "L")
    see_through, grey = colour.copy(), colour.convert("L")
    see_through.putalpha(alpha)
    palette = colour.quantize(13)
    cmyk = Image.merge("CMYK", [*smooth.split(), alpha])
    adobe = saved(cmyk, "JPEG", quality=95)
    grey_alpha = Image.merge("LA", [grey, alpha])
    found = {
        "grey.png": saved(grey, "PNG"), "black-white.png": saved(colour.convert("1"), "PNG"), "rgb.png": saved(colour, "PNG"),
        "grey-alpha.png": saved(grey_alpha, "PNG"), "rgba.png": saved(see_through, "PNG"), "palette.png": saved(palette, "PNG"),
        "palette-2-bits.png": saved(colour.quantize(4), "PNG", bits=2), "palette-alpha.png": saved(palette, "PNG", transparency=bytes(range(0, 130, 10))),
        "grey-key.png": saved(grey, "PNG", transparency=grey.getpixel((5, 5))), "rgb-key.png": saved(colour, "PNG", transparency=colour.getpixel((5, 5))),
        "grey-16.png": png(17, 13, 16, 0, sixteen(1)), "rgb-16.png": png(17, 13, 16, 2, sixteen(3)),
        "grey-alpha-16.png": png(17, 13, 16, 4, sixteen(2)), "rgba-16.png": png(17, 13, 16, 6, sixteen(4)),
        "grey-4-bits.png": png(16, 9, 4, 0, [bytes((row * 29 + 17 * i) % 256 for i in range(8)) for row in range(9)]),
        "orientation-6.png": saved(colour, "PNG", exif=oriented(6)),
        "dot.png": saved(Image.new("RGB", (1, 1), (9, 200, 31)), "PNG"),
        "grey.jpg": saved(smooth.convert("L"), "JPEG", quality=90), "full-colour.jpg": saved(smooth, "JPEG", quality=92, subsampling=0),
        "half-colour.jpg": saved(smooth, "JPEG", quality=92, subsampling=2), "progressive.jpg": saved(smooth, "JPEG", quality=92, progressive=True),
        "cmyk-adobe.jpg": adobe, "cmyk.jpg": without_segment(adobe, 0xEE),
        "rgb.tif": saved(colour, "TIFF"), "grey-16.tif": saved(Image.open(io.BytesIO(png(17, 13, 16, 0, sixteen(1)))), "TIFF"),
        "cmyk.tif": saved(cmyk, "TIFF"), "deflate.tif": saved(colour, "TIFF", compression="tiff_adobe_deflate"),
        "lzw.tif": saved(colour, "TIFF", compression="tiff_lzw"), "orientation-8.tif": saved(colour, "TIFF", tiffinfo={0x0112: 8}),
        "lossless.webp": saved(colour, "WEBP", lossless=True), "rgba.webp": saved(see_through, "WEBP", lossless=True, exact=True),
        "lossy.webp": saved(smooth, "WEBP", quality=90), "palette.gif": saved(palette, "GIF"),
        "two-frames.gif": saved(palette, "GIF", save_all=True, append_images=[colour.quantize(5).transpose(Image.Transpose.FLIP_TOP_BOTTOM)]),
        "transparent.gif": saved(palette, "GIF", transparency=2), "rgb.bmp": saved(colour, "BMP"), "palette.bmp": saved(palette, "BMP"),
    }  # fmt: skip
    return found | {f"orientation-{value}.jpg": saved(smooth, "JPEG", quality=92, subsampling=0, exif=oriented(value)) for value in range(1, 9)}


def read(name: str, data: bytes) -> tuple[dict, dict]:
    """As transformers loads a file; where there is transparency also laid on white, as its processors do with what comes to them undecoded."""
    path = FOLDER / "files" / name
    path.write_bytes(data)
    image = Image.open(path)
    rgb = np.asarray(load_image(str(path)))
    entry = {"file": name, "mode": image.mode, "size": [rgb.shape[1], rgb.shape[0]]}
    tensors = {f"file.{name}": rgb}
    if "A" in image.getbands() or image.info.get("transparency") is not None:
        tensors[f"white.{name}"] = convert_to_rgb(image, return_numpy=True)
    return entry, tensors


def main() -> None:
    reference = start()
    warnings.simplefilter("ignore")
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "files").mkdir(parents=True)
    resizes, tensors = resized()
    entries = []
    for name, data in files().items():
        entry, found = read(name, data)
        entries.append(entry)
        tensors |= found
    expected = {
        "reference": reference,
        "resizes": resizes,
        "splits": [split(*case) for case in SPLITS],
        "split_sizes": [split_sizes(*size, edge) for edge in EDGES for size in SIZES],
        "qwen2": [qwen2(*size, LIMITS[0]) for size in QWEN],
        "qwen2_sizes": [smart_size(*size, limits) for limits in LIMITS for size in SIZES],
        "siglip": [siglip(*size) for size in ((300, 200), (1, 1), (1240, 1754))],
        "files": entries,
    }
    write_json(FOLDER / "expected.json", expected)
    save_tensors(FOLDER / "expected.safetensors", tensors)


if __name__ == "__main__":
    main()
