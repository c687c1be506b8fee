"""Random bins: AES-128 in counter mode, and multiply-shift from words to pairs of distinct bins.

No rejection loop: a word maps to a bin by the high half of a product, and the second bin is drawn from one
fewer and steps over the first, so that every draw takes the same time.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .config import WORDS_PER_ACCESS

_BLOCK = 16
Words = tuple[int, int, int, int]


class Drbg:
    """AES-128-CTR from counter 0; each block is two 64-bit words, big endian.

    Args:
        key: 16 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._stream = Cipher(algorithms.AES(key), modes.CTR(bytes(_BLOCK))).encryptor()

    def words(self) -> Words:
        """The four words of the next access."""
        drawn = self._stream.update(bytes(8 * WORDS_PER_ACCESS))
        a, b, c, d = (int.from_bytes(drawn[at : at + 8], "big") for at in range(0, 32, 8))
        return a, b, c, d


def pair_of_words(first: int, second: int, bins: int) -> tuple[int, int]:
    """Two distinct bins, uniform up to 2^-64 · bins."""
    x = (first * bins) >> 64
    y = (second * (bins - 1)) >> 64
    return x, y + (y >= x)


def words_of_pair(x: int, y: int, bins: int) -> tuple[int, int]:
    """The least words that `pair_of_words` maps to a pair: how a test's tape names its bins."""
    other = y - (y > x)
    return -((-x << 64) // bins), -((-other << 64) // (bins - 1))
