"""The numbers that a model keeps, counted by hand on fits small enough to count."""

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import HuberRegressor, LinearRegression, LogisticRegression, RANSACRegressor, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity, KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeRegressor

from common.model_size import model_size

ROWS, COLUMNS = 30, 4


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(ROWS, COLUMNS))
    return inputs, inputs @ rng.normal(size=COLUMNS) + rng.normal(size=ROWS)


@pytest.fixture
def classes(table):
    inputs, targets = table
    return inputs, (targets > np.quantile(targets, 0.33)).astype(int) + (targets > np.quantile(targets, 0.67))


def test_bare_numbers():
    assert model_size((1.5, -2.0)) == 2
    assert model_size(np.zeros((3, 4))) == 12


class Network:
    """What model_size looks for: parameters that have a shape."""

    def parameters(self):
        yield from (np.zeros((4, 3)), np.zeros(3))


def test_a_network_s_parameters():
    assert model_size(Network()) == 15


def test_a_torch_module():
    from torch import nn

    network = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Linear(8, 2))
    assert model_size(network) == (8 * 3 * 5 * 5 + 8) + (8 * 2 + 2)


@pytest.mark.parametrize("model", [LinearRegression(), Ridge(), HuberRegressor(max_iter=1000)])
def test_a_linear_model(table, model):
    assert model_size(model.fit(*table)) == COLUMNS + 1


def test_a_classifier_of_three_classes(classes):
    assert model_size(LogisticRegression().fit(*classes)) == 3 * COLUMNS + 3
    assert model_size(LinearSVC().fit(*classes)) == 3 * COLUMNS + 3


def test_the_mean(table):
    assert model_size(DummyRegressor().fit(*table)) == 1


def test_neighbours_keep_the_training_set(table):
    assert model_size(KNeighborsRegressor().fit(*table)) == ROWS * COLUMNS + ROWS  # the rows and their answers


def test_naive_bayes_keeps_means_variances_and_priors(classes):
    assert model_size(GaussianNB().fit(*classes)) == 2 * 3 * COLUMNS + 3


def test_a_scaler_s_variances_are_not_naive_bayes(table):
    scaled = make_pipeline(StandardScaler(), LinearRegression()).fit(*table)
    assert model_size(scaled) == model_size(LinearRegression().fit(*table))


def test_a_mixture_of_gaussians_keeps_weights_means_and_covariances(table):
    mixture = GaussianMixture(2, random_state=0).fit(table[0])
    assert model_size(mixture) == 2 * (1 + COLUMNS + COLUMNS * COLUMNS)


def test_a_kernel_density_keeps_its_points(table):
    assert model_size(KernelDensity().fit(table[0])) == ROWS * COLUMNS


def test_kernel_ridge_keeps_the_training_set_and_a_weight_a_row(table):
    assert model_size(KernelRidge(kernel="rbf").fit(*table)) == ROWS * COLUMNS + ROWS


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_a_support_vector_machine_keeps_its_vectors(classes, kernel):
    inputs, labels = classes
    machine = SVC(kernel=kernel).fit(inputs, labels)
    vectors, pairs = len(machine.support_), 3
    # Each vector has COLUMNS numbers and a weight in each of its two pairs of classes; each pair has an intercept.
    assert model_size(machine) == vectors * COLUMNS + vectors * 2 + pairs


def test_a_stump_has_a_question_and_two_answers(table):
    assert model_size(DecisionTreeRegressor(max_depth=1).fit(*table)) == 2 + 2
    assert model_size(DecisionTreeRegressor(max_depth=2).fit(*table)) == 3 * 2 + 4


def test_a_forest_is_the_sum_of_its_trees(table):
    assert model_size(RandomForestRegressor(5, max_depth=1, random_state=0).fit(*table)) == 5 * 4
    assert model_size(GradientBoostingRegressor(n_estimators=7, max_depth=1).fit(*table)) == 7 * 4


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_a_multilayer_perceptron(table):
    network = MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, solver="lbfgs").fit(*table)
    assert model_size(network) == COLUMNS * 8 + 8 + 8 + 1


def test_a_pipeline_is_the_sum_of_its_parts(table):
    pipeline = make_pipeline(PolynomialFeatures(2), LinearRegression(fit_intercept=False)).fit(*table)
    weights = 1 + COLUMNS + COLUMNS * (COLUMNS + 1) // 2
    assert model_size(pipeline) == weights + 1  # scikit-learn keeps an intercept of 0


def test_a_grid_search_is_what_it_chose(table):
    search = GridSearchCV(KNeighborsRegressor(), {"n_neighbors": [1, 3]}, cv=3)
    assert model_size(search.fit(*table)) == ROWS * COLUMNS + ROWS
    search = GridSearchCV(make_pipeline(DecisionTreeRegressor()), {"decisiontreeregressor__max_depth": [1]}, cv=3)
    assert model_size(search.fit(*table)) == 4


def test_a_wrapper_counts_once(table):
    ransac = RANSACRegressor(LinearRegression(), random_state=0, min_samples=10).fit(*table)
    assert model_size(ransac) == COLUMNS + 1


@pytest.mark.parametrize("model", [None, len, "text"])
def test_what_can_t_be_told(model):
    assert model_size(model) is None


def test_an_estimator_that_is_not_fitted():
    assert model_size(LinearRegression()) is None


def test_what_comes_before_the_machine_counts_too():
    """Visual words, the axes of a PCA, a mixture of Gaussians: the prediction needs them."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture
    from sklearn.pipeline import FeatureUnion

    x = np.random.default_rng(0).normal(size=(60, 5))
    assert model_size(PCA(3).fit(x)) == 15
    assert model_size(GaussianMixture(2, covariance_type="diag").fit(x)) == 2 * (5 + 5 + 1)
    union = FeatureUnion([("a", PCA(2)), ("b", PCA(1))]).fit(x)
    assert model_size(union) == 15
