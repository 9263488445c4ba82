"""The multilayer perceptron against the classical rivals, on the digits that LeCun's network of 1989 had as many of.

Question   All that the last lessons collected goes into one network. Is it better than methods that need none of it?
Method     784–256–128–10, ReLU, He's start, BatchNorm and dropout, momentum with one cycle of the learning rate, 20 epochs;
           once as it is, and once with digits that are shifted and turned a little every time they are seen.
Rival      Logistic regression, k nearest neighbours, a random forest and an RBF-SVM, each tuned on training digits that
           are held out; scikit-learn's MLPClassifier as the reference.
Differs    The lecture lets deep learning win by scale. There are 7291 digits here, and two cores.
Costs      x s on two cores.
"""
