"""Data for the lessons: loaders that give train and test parts, and say where the bytes came from.

Sets of images come at three scales (Scale): a head of the embedded pack, the pack, or the whole official set, which is
fetched once. Tables and photos need nothing but the installed packages.
"""

from common.data.dataset import Dataset
from common.data.images import cifar10, digits, fashion_mnist, mnist
from common.data.parts import Images, Table
from common.data.photos import photo
from common.data.scale import Scale
from common.data.tables import auto_mpg, breast_cancer, diabetes

__all__ = [
    "Dataset",
    "Images",
    "Scale",
    "Table",
    "auto_mpg",
    "breast_cancer",
    "cifar10",
    "diabetes",
    "digits",
    "fashion_mnist",
    "mnist",
    "photo",
]
