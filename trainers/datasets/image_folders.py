"""Published folders of images, one sub-folder a class: ImageNet, Tiny ImageNet of 200 of its classes, Places365."""

from __future__ import annotations

from typing import Final

from trainers.datasets.contract import DatasetSpec

IMAGENET: Final = DatasetSpec(
    name="imagenet",
    title="ImageNet",
    image_size=224,
    num_channels=3,
    num_classes=1000,
    num_train=1_281_167,
    num_test=50_000,
    identity="md5-of-archives:1d675b47d978889d74fa0da5fadfb00e+29b22e2961454d5413ddabcf34fc5622",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    source="Russakovsky et al. 2015: ImageNet Large Scale Visual Recognition Challenge",
    folders=("imagenet/train", "imagenet/val"),
    resize=256,
    is_resident=False,
    how_to_get="register with ImageNet, unpack both archives to DIR/imagenet/{train,val}/<class>/, as torchvision does",
    unstated="the batch size on ImageNet (256 in the script, 512 in the paper)",
)

TINY_IMAGENET: Final = DatasetSpec(
    name="tiny-imagenet",
    title="Tiny ImageNet",
    image_size=64,
    num_channels=3,
    num_classes=200,
    num_train=100_000,
    num_test=10_000,
    identity="md5-of-archives:90528d7ca1a48142e341f4ef8d21d0de",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    source="Stanford CS231n: Tiny ImageNet, 200 classes of ImageNet at 64 px",
    folders=("tiny-imagenet-200/train", "tiny-imagenet-200/val"),
    resize=64,
    how_to_get="unpack tiny-imagenet-200.zip in DIR (val stays flat: val_annotations.txt names the classes)",
)

PLACES365: Final = DatasetSpec(
    name="places365",
    title="Places365",
    image_size=224,
    num_channels=3,
    num_classes=365,
    num_train=1_803_460,
    num_test=36_500,
    identity="md5-of-archives:53ca1c756c3d1e7809517cc47c5561c5+e27b17d8d44f4af9a78502beb927f808",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    source="Zhou et al. 2017: Places, a 10 Million Image Database for Scene Recognition; 256 px standard set",
    folders=("places365_standard/train", "places365_standard/val"),
    resize=256,
    is_resident=False,
    how_to_get="unpack places365standard_easyformat.tar in DIR, which gives DIR/places365_standard/{train,val}/<class>/",
    unstated="batch, learning rate and hyper-parameters on Places365",
)
