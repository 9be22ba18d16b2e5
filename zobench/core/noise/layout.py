"""The layout of noise: which counter, word and bit gives which element, on every device.

Philox-4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3")
maps a counter of four 32-bit words and a key of two to four random words. Here
    key     = (seed low, seed high)
    counter = (counter index low, counter index high, block, stream)
so streams of different (seed, block, stream) are disjoint: no hashing, nothing to collide.

Lanes: a chunk takes LANES consecutive counter indices, and equal words of neighbouring counters lie
side by side, so SIMD lanes and GPU threads write contiguously. Element e of a stream, with
i = e % LANES, is made from the counter index c * LANES + i as follows.
    gaussian, uniform   c = e // 1024,  word j = e % 1024 // LANES
    rademacher          c = e // 32768, word j = e % 1024 // LANES, bit b = e % 32768 // 1024
Laws, w the word and w' the other word of its pair (words 0, 1 and words 2, 3):
    uniform     (w >> 8) 2^-24, in [0, 1)
    rademacher  +1 where the bit is 1, else -1
    gaussian    Box-Muller (1958) on a pair (w0, w1), first element cosine, second sine:
                sqrt(-2 log u) cos or sin(2 pi t),  t = (w1 >> 8) 2^-24 - 1/2,
                u = ((w0 >> 8) + 1/2) 2^-24 rounded to float32, hence |z| <= 5.89
"""

from __future__ import annotations

LAWS = ("gaussian", "rademacher", "uniform")
GAUSSIAN, RADEMACHER, UNIFORM = range(3)  # positions in LAWS, what kernels take

LANES = 256  # counters in a chunk
CHUNK = 4 * LANES  # elements of a gaussian or uniform chunk, and words of any chunk
BITS_CHUNK = 32 * CHUNK  # elements of a rademacher chunk

M0, M1 = 0xD2511F53, 0xCD9E8D57  # Philox multipliers
W0, W1 = 0x9E3779B9, 0xBB67AE85  # what a round adds to the key
ROUNDS = 10
