"""Groups of a language model: the embeddings, each decoder layer, and what follows the layers."""

from zobench.core.groups import groups as groups
from zobench.core.groups import layers as layers
