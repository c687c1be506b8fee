"""A part of a model as stages of a dataflow pipeline: linear layers, attention, normalisation.

What a stage is and does is read off Einsums (`recognise`), never off names.
"""

from .mapping import map_stages
from .memory import addresses, place_regions
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
    "addresses",
    "map_stages",
    "place_regions",
    "recognise",
]
