"""Loaders of the tables: two regressions and a classification."""

from __future__ import annotations

import csv
from io import StringIO

import numpy as np

from common.data.dataset import Dataset, drawn
from common.data.embedded import checked
from common.data.parts import Table

AUTO_MPG_COLUMNS = ("cylinders", "displacement", "horsepower", "weight", "acceleration", "model_year", "origin")


def auto_mpg(seed: int = 0) -> Dataset:
    """392 cars of 1970 to 1982: how far does a gallon take them? A regression on seven numbers.

    Target: mileage in miles per US gallon, 9 to 46.6. Features: cylinders; displacement in cubic inches; horsepower;
    weight in pounds; acceleration as seconds from 0 to 60 miles an hour; model_year as 70 … 82; origin as 1 (USA),
    2 (Europe), 3 (Japan), a number that has no order. A quarter is drawn by seed for testing.
    """
    rows = list(csv.DictReader(StringIO(checked("auto_mpg.csv").decode())))
    features = np.array([[float(row[name]) for name in AUTO_MPG_COLUMNS] for row in rows])
    whole = Table(features, np.array([float(row["mpg"]) for row in rows]), AUTO_MPG_COLUMNS, unit="mpg")
    source = "Auto MPG, R. Quinlan 1993, UCI Machine Learning Repository, CC BY 4.0; the 392 complete rows"
    return drawn("Auto MPG", whole, classes=(), target="mileage (miles per gallon)", source=source, seed=seed)


def diabetes(seed: int = 0) -> Dataset:
    """442 diabetes patients: how far will the disease be in a year? A regression on ten numbers, in their own units.

    Target: a score of progression, 25 to 346, without a unit. Features: age in years; sex as 1 or 2; bmi in kg/m²; bp,
    the mean arterial pressure in mmHg; six blood serum measurements: s1 total cholesterol, s2 low- and s3 high-density
    lipoproteins, s4 the ratio s1/s3, s5 a log of triglycerides, s6 blood sugar. A quarter is drawn by seed for testing.
    """
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    whole = Table(bunch.data.astype(np.float64), bunch.target.astype(np.float64), tuple(bunch.feature_names))
    source = "scikit-learn, load_diabetes: Efron, Hastie, Johnstone and Tibshirani 2004, Least Angle Regression"
    return drawn("diabetes", whole, classes=(), target="disease progression (score)", source=source, seed=seed)


def breast_cancer(seed: int = 0) -> Dataset:
    """569 tumours: malignant (label 0) or benign (1)? A classification on thirty measures of the nuclei of their cells.

    Features: the mean, the standard error and the worst (mean of the three largest) of ten measures, in pixels of the
    digitised image or without a unit. A quarter is drawn by seed for testing, stratified.
    """
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    classes, names = (tuple(map(str, part)) for part in (bunch.target_names, bunch.feature_names))
    whole = Table(bunch.data.astype(np.float64), bunch.target.astype(np.int64), names)
    source = (
        "scikit-learn, load_breast_cancer: Wolberg, Street and Mangasarian 1995, Breast Cancer Wisconsin, CC BY 4.0"
    )
    return drawn("breast cancer", whole, classes=classes, target="diagnosis", source=source, seed=seed)
