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
    hadamard            c = e // 4096,  all four words, output k = e % 4096 // LANES
Laws, w the word and w' the other word of its pair (words 0, 1 and words 2, 3):
    uniform     (w >> 8) 2^-24, in [0, 1)
    rademacher  +1 where the bit is 1, else -1
    gaussian    Box-Muller (1958) on a pair (w0, w1), first element cosine, second sine:
                sqrt(-2 log u) cos or sin(2 pi t),  t = (w1 >> 8) 2^-24 - 1/2,
                u = ((w0 >> 8) + 1/2) 2^-24 rounded to float32, hence |z| <= 5.89
    hadamard    the 16 bytes of the four words, each made a number x(byte) with the first seven
                moments of N(0, 1), and rotated by the Hadamard matrix of 16 rows:
                z_k = (sum over n of (-1)^(number of ones in k & n) x(byte n)) / 4,
                where byte n is byte n // 4 (0: the lowest) of word n % 4, and
                x = t (A + B t^4 + C t^8), t = (2 byte - 255) / 256, hence |z| <= 11.31

The rotation of hadamard keeps joint moments up to order 7 those of independent normals, and a sum
of 16 bytes hides the steps of one. So a counter gives 16 values, where Box-Muller gives four. A
seed is below 2^63; hadamard sets bit 63 of the key, so that no other law has its words.
"""

from __future__ import annotations

LAWS = ("gaussian", "rademacher", "uniform", "hadamard")
GAUSSIAN, RADEMACHER, UNIFORM, HADAMARD = range(4)  # positions in LAWS, what kernels take

FLOAT32, FLOAT64, BFLOAT16, FLOAT16 = range(4)  # kinds of elements, what kernels take

LANES = 256  # counters in a chunk
CHUNK = 4 * LANES  # elements of a gaussian or uniform chunk, and words of any chunk
BITS_CHUNK = 32 * CHUNK  # elements of a rademacher chunk
BYTES_CHUNK = 4 * CHUNK  # elements of a hadamard chunk

M0, M1 = 0xD2511F53, 0xCD9E8D57  # Philox multipliers
W0, W1 = 0x9E3779B9, 0xBB67AE85  # what a round adds to the key
ROUNDS = 10

# hadamard: moments 2, 4 and 6 of the 256 values, in float32, are 1, 3 and 15 within 1e-8 of each
BYTE_A, BYTE_B, BYTE_C = 1.691464, -2.1566648, 3.372617
BYTE_KEY = 1 << 31  # the bit of the high word of the key that is set for hadamard
