"""Data for the lessons: loaders that give train and test parts, and say where the bytes came from.

Sets of images come at three scales (Scale): a head of the embedded pack, the pack, or the whole official set, which is
fetched once. Tables, photos, photographs, recordings of a watch and heads need nothing but what is installed. Loaders
…_or_none read real data that a reader has laid into the data folder; where it is missing they say so and give None.
"""

from common.data.bsds import bsds500_or_none
from common.data.camvid import camvid_or_none
from common.data.dataset import Dataset
from common.data.flickr8k import flickr8k_or_none
from common.data.heads import average_head, head
from common.data.images import cifar10, digits, fashion_mnist, mnist
from common.data.parts import Images, Table
from common.data.photo_pack import photographs
from common.data.photos import photo
from common.data.recordings import watch
from common.data.scale import Scale
from common.data.super_resolution_sets import super_resolution_set_or_none
from common.data.tables import auto_mpg, breast_cancer, diabetes
from common.data.utkinect import utkinect_or_none

__all__ = [
    "Dataset",
    "Images",
    "Scale",
    "Table",
    "auto_mpg",
    "average_head",
    "breast_cancer",
    "bsds500_or_none",
    "camvid_or_none",
    "cifar10",
    "diabetes",
    "digits",
    "fashion_mnist",
    "flickr8k_or_none",
    "head",
    "mnist",
    "photo",
    "photographs",
    "super_resolution_set_or_none",
    "utkinect_or_none",
    "watch",
]
