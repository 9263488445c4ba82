"""Chapter 4, backpropagation: the reading order."""

from common.chapter import Chapter

CHAPTER = Chapter(
    package="ch04_backprop",
    title="Backpropagation",
    lessons=(
        "gradient_descent",  # one step downhill, three fates, and momentum
        "layers",  # the layered view: every layer passes a delta to the one before
        "deltas",  # one point, forward and backward, delta by delta
        "finite_differences",  # a slow way to a gradient, which checks every fast one
        "scalar_autograd",  # the same by a program that records its operations: single numbers, sixty lines
        "autograd",  # the same with arrays, and what that changes
        "graph",  # the graph of a tensor, drawn
        "stochastic_gradient",  # one example's gradient instead of all: on-line steps and batches
        "optimisers",  # six update rules: SGD, momentum, Nesterov, AdaGrad, RMSProp, Adam
        "moons",  # a first network for our own engine
        "valleys",  # the six rules on Rosenbrock and Beale
        "output_units",  # linear, sigmoid, softmax, each with its loss, and exponentials that overflow
        "hidden_units",  # ReLU and its relatives, sigmoid, tanh, maxout
        "optimiser_race",  # the six rules on a network of such units; and what batches are good for
        "vanishing",  # what depth does to gradients
        "dead_units",  # units that have stopped learning
        "wide_or_deep",  # one hidden layer can approximate any continuous function; at what price?
        "initialisation",  # the first weights
        "penalties",  # L2 and L1
        "noise",  # in inputs, hidden layers, weights and labels; augmentation
        "dropout",  # hidden units that are switched off at random
        "batchnorm",  # each unit normalised over the batch
        "early_stopping",  # stop before the training digits are memorised
        "regularisation",  # which of them helped, by how much, and together with what
        "recurrent",  # a network unrolled in time
        "exploding",  # gradients through time that vanish or explode, and clipping
        "lstm",  # a cell that is added to, so that gradients do not vanish
        "long_lags",  # what these networks remember, and for how long
        "three_times",  # one network: by hand, by our autograd, by PyTorch
        "race",  # and against the classical rivals
        "scientific_method",  # how not to be fooled by a seed
    ),
    tour=("graph", "race"),
    threads=1,
)

if __name__ == "__main__":
    raise SystemExit(CHAPTER.main())
