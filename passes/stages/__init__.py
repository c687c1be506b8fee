"""A part of a model as stages of a dataflow pipeline: linear layers, attention, normalisation.

What a stage is and does is read off Einsums (`recognise`), never off names.
"""

from .recognise import recognise
from .stage import Activation, AddNorm, Context, Linear, Scores, Softmax, Stage, Stages

__all__ = [
    "Activation",
    "AddNorm",
    "Context",
    "Linear",
    "Scores",
    "Softmax",
    "Stage",
    "Stages",
    "recognise",
]
