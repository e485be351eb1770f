"""What the published files of harder images are called, how large they are, and their checksums. Light: imports no NumPy.

Sources: the Zenodo records 2535967 (CIFAR-10-C), 3555552 (CIFAR-100-C), 2235448 (ImageNet-C), 3565846 (ImageNet-P) and 3239543
(MNIST-C), and the data loaders of TensorFlow Datasets and torch-uncertainty, which state the checksums.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eval.errors import EvalError

FOLDERS: Final[Mapping[tuple[str, str], str]] = {
    ("cifar-10", "c"): "CIFAR-10-C",
    ("cifar-100", "c"): "CIFAR-100-C",
    ("cifar-10", "cbar"): "CIFAR-10-C-Bar",
    ("cifar-100", "cbar"): "CIFAR-100-C-Bar",
    ("cifar-10", "p"): "CIFAR-10-P",
    ("cifar-100", "p"): "CIFAR-100-P",
    ("mnist", "mnist-c"): "mnist_c",
    ("imagenet", "c"): "ImageNet-C",
    ("imagenet", "cbar"): "ImageNet-C-Bar",
    ("imagenet", "p"): "ImageNet-P",
    ("imagenet", "r"): "imagenet-r",
    ("tiny-imagenet", "c"): "Tiny-ImageNet-C",
}
"""(dataset, family) -> folder under the data root, as the archives unpack."""


def published_folder(dataset: str, family: str) -> str:
    """Return the folder of a dataset's published files of a family, under the data root.

    Raises:
        EvalError: If none are published.
    """
    name = FOLDERS.get((dataset, family))
    if name is None:
        known = sorted(each for each, other in FOLDERS if other == family)
        instead = "" if family == "r" else f"; generate them with the benchmark '{family}-generated'"
        raise EvalError(f"there are no published files of {family!r} for {dataset!r}, only for {known}{instead}")
    return name


ARCHIVE_MD5: Final[Mapping[str, str]] = {
    "CIFAR-10-C.tar": "56bf5dcef84df0e2308c6dcbcbbd8499",
    "CIFAR-100-C.tar": "11f0ed0f1191edbf9fa23466ae6021d3",
    "blur.tar": "2d8e81fdd8e07fef67b9334fa635e45c",
    "digital.tar": "89157860d7b10d5797849337ca2e5c03",
    "extra.tar": "d492dfba5fc162d8ec2c3cd8ee672984",
    "noise.tar": "e80562d7f6c3f8834afb1ecf27252745",
    "weather.tar": "33ffea4db4d93fe4a428c40a6ce0c25d",
    "Tiny-ImageNet-C.tar": "f9c9a9dbdc11469f0b850190f7ad8be1",
    "Tiny-ImageNet-C-extra.tar": "0db0588d243cf403ef93449ec52b70eb",
    "mnist_c.zip": "4b34b33045869ee6d424616cd3a65da3",
    "imagenet-r.tar": "a61312130a589d0ca1a8fca1f2bd3337",
}
"""Archive -> MD5."""

PACKED: Final[Mapping[str, tuple[str, ...]]] = {
    "ImageNet-C": ("blur.tar", "digital.tar", "noise.tar", "weather.tar", "extra.tar"),
    "Tiny-ImageNet-C": ("Tiny-ImageNet-C.tar", "Tiny-ImageNet-C-extra.tar"),
    "imagenet-r": ("imagenet-r.tar",),
    "mnist_c": ("mnist_c.zip",),
}
"""Folder -> archives with published checksums that it is unpacked from; no checksum of its files is published."""

FROST_FILES: Final = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
"""The published images of frost that are drawn from; a sixth one exists and is never used."""

ARCHIVE_BYTES: Final[Mapping[str, int]] = {"CIFAR-10-C.tar": 2_918_471_680, "mnist_c.zip": 246_661_575}
"""Archive -> size where it is published."""

CIFAR_10_C_MD5: Final[Mapping[str, str]] = {
    "brightness": "0a81ef75e0b523c3383219c330a85d48",
    "contrast": "3c8262171c51307f916c30a3308235a8",
    "defocus_blur": "7d1322666342a0702b1957e92f6254bc",
    "elastic_transform": "9421657c6cd452429cf6ce96cc412b5f",
    "fog": "7b397314b5670f825465fbcd1f6e9ccd",
    "frost": "31f6ab3bce1d9934abfb0cc13656f141",
    "gaussian_blur": "c33370155bc9b055fb4a89113d3c559d",
    "gaussian_noise": "ecaf8b9a2399ffeda7680934c33405fd",
    "glass_blur": "7361fb4019269e02dbf6925f083e8629",
    "impulse_noise": "2090e01c83519ec51427e65116af6b1a",
    "jpeg_compression": "2b9cc4c864e0193bb64db8d7728f8187",
    "motion_blur": "fffa5f852ff7ad299cfe8a7643f090f4",
    "pixelate": "0f14f7e2db14288304e1de10df16832f",
    "saturate": "1cfae0964219c5102abbb883e538cc56",
    "shot_noise": "3a7239bb118894f013d9bf1984be7f11",
    "snow": "bb238de8555123da9c282dea23bd6e55",
    "spatter": "8a5a3903a7f8f65b59501a6093b4311e",
    "speckle_noise": "ef00b87611792b00df09c0b0237a1e30",
    "zoom_blur": "6ea8e63f1c5cdee1517533840641641b",
    "labels": "c439b113295ed5254878798ffe28fd54",
}
"""File stem in CIFAR-10-C -> MD5."""

CIFAR_100_C_MD5: Final[Mapping[str, str]] = {
    "brightness": "f22d7195aecd6abb541e27fca230c171",
    "contrast": "322bb385f1d05154ee197ca16535f71e",
    "defocus_blur": "d923e3d9c585a27f0956e2f2ad832564",
    "elastic_transform": "a0792bd6581f6810878be71acedfc65a",
    "fog": "4efc7ebd5e82b028bdbe13048e3ea564",
    "frost": "3a39c6823bdfaa0bf8b12fe7004b8117",
    "gaussian_blur": "5204ba0d557839772ef5a4196a052c3e",
    "gaussian_noise": "ecc4d366eac432bdf25c024086f5e97d",
    "glass_blur": "0bf384f38e5ccbf8dd479d9059b913e1",
    "impulse_noise": "3b3c210ddfa0b5cb918ff4537a429fef",
    "jpeg_compression": "c851b7f1324e1d2ffddeb76920576d11",
    "motion_blur": "732a7e2e54152ff97c742d4c388c5516",
    "pixelate": "96c00c60f144539e14cffb02ddbd0640",
    "saturate": "c0697e9fdd646916a61e9c312c77bf6b",
    "shot_noise": "b0a1fa6e1e465a747c1b204b1914048a",
    "snow": "0237be164583af146b7b144e73b43465",
    "spatter": "12ccf41d62564d36e1f6a6ada5022728",
    "speckle_noise": "e3f215b1a0f9fd9fd6f0d1cf94a7ce99",
    "zoom_blur": "0204613400c034a81c4830d5df81cb82",
    "labels": "bb4026e9ce52996b95f439544568cdb2",
}
"""File stem in CIFAR-100-C -> MD5."""

FILE_MD5: Final[Mapping[str, Mapping[str, str]]] = {"CIFAR-10-C": CIFAR_10_C_MD5, "CIFAR-100-C": CIFAR_100_C_MD5}
"""Folder -> file stem -> MD5. CIFAR-P, CIFAR-C-bar and ImageNet-P have no published checksums."""

IMAGES_PER_SET: Final[Mapping[str, int]] = {
    "ImageNet-C": 50_000,
    "ImageNet-C-Bar": 50_000,
    "Tiny-ImageNet-C": 10_000,
    "imagenet-r": 30_000,
    "ImageNet-P": 50_000,
}
"""Folder -> images (or sequences) per set."""

CLASSES_PER_SET: Final[Mapping[str, int]] = {
    "ImageNet-C": 1000,
    "ImageNet-C-Bar": 1000,
    "Tiny-ImageNet-C": 200,
    "imagenet-r": 200,
}
"""Folder -> class folders per set."""

RENDITION_CLASSES: Final = (
    1,
    2,
    4,
    6,
    8,
    9,
    11,
    13,
    22,
    23,
    26,
    29,
    31,
    39,
    47,
    63,
    71,
    76,
    79,
    84,
    90,
    94,
    96,
    97,
    99,
    100,
    105,
    107,
    113,
    122,
    125,
    130,
    132,
    144,
    145,
    147,
    148,
    150,
    151,
    155,
    160,
    161,
    162,
    163,
    171,
    172,
    178,
    187,
    195,
    199,
    203,
    207,
    208,
    219,
    231,
    232,
    234,
    235,
    242,
    245,
    247,
    250,
    251,
    254,
    259,
    260,
    263,
    265,
    267,
    269,
    276,
    277,
    281,
    288,
    289,
    291,
    292,
    293,
    296,
    299,
    301,
    308,
    309,
    310,
    311,
    314,
    315,
    319,
    323,
    327,
    330,
    334,
    335,
    337,
    338,
    340,
    341,
    344,
    347,
    353,
    355,
    361,
    362,
    365,
    366,
    367,
    368,
    372,
    388,
    390,
    393,
    397,
    401,
    407,
    413,
    414,
    425,
    428,
    430,
    435,
    437,
    441,
    447,
    448,
    457,
    462,
    463,
    469,
    470,
    471,
    472,
    476,
    483,
    487,
    515,
    546,
    555,
    558,
    570,
    579,
    583,
    587,
    593,
    594,
    596,
    609,
    613,
    617,
    621,
    629,
    637,
    657,
    658,
    701,
    717,
    724,
    763,
    768,
    774,
    776,
    779,
    780,
    787,
    805,
    812,
    815,
    820,
    824,
    833,
    847,
    852,
    866,
    875,
    883,
    889,
    895,
    907,
    928,
    931,
    932,
    933,
    934,
    936,
    937,
    943,
    945,
    947,
    948,
    949,
    951,
    953,
    954,
    957,
    963,
    965,
    967,
    980,
    981,
    983,
    988,
)
"""The 200 classes of ImageNet-R among the 1000, in the order of their sorted folders."""
