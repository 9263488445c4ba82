import numpy as np
from ch04_backprop.training import mlp
from ch04_backprop.output_units import *
from ch04_backprop.layers import *
def test_a():
    n=mlp((4,3,2),np.random.default_rng(0)); n.gradient(np.zeros((5,4),np.float32),np.zeros(5,int))
def test_b():
    Network([Linear(2,2,np.random.default_rng(0))],SquaredError())
def test_c():
    mlp((4,3,2),np.random.default_rng(0),cost=SquaredError())
