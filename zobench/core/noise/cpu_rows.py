"""Noise on the CPU for the probes of a vector, one point per row (see `draw`)."""

from __future__ import annotations

from zobench.core.noise.compiled import (
    carray,
    elements_of_array,
    kernel,
    pointer_f64,
    pointer_i64,
)
from zobench.core.noise.draw import BUFFER, add, elements_of, fill, words_room

ROWS, PAIR = 8, 9  # numbers of a job; of `rows`, before the scales
PLUS = 2  # the place of the two scales in a job of `pair`


@kernel
def rows(job: int) -> None:
    """Add scales[k] * z(seeds[k])[start + i] to points[k, i]; equal seeds in a row share a draw.

    `job` is the address of int64 numbers:

        index     0       1             2      3      4    5      6       7
        number    points  bytes of row  count  width  law  block  stream  start

    and then the scales (float64) and the seeds. `points` is the `id` of an array, whose rows are
    contiguous.
    """
    array, step, count, width, law, block, stream, start = carray(pointer_i64(job), ROWS)
    scales = carray(pointer_f64(job + 8 * ROWS), count)
    seeds = carray(pointer_i64(job + 8 * (ROWS + count)), count)
    points = elements_of_array(array)
    words = carray(words_room(), BUFFER)
    size = elements_of(law)
    at, stop = start, start + width
    while at < stop:
        chunk, first = at // size, at % size
        last = min(size, first + stop - at)
        for k in range(count):
            if k == 0 or seeds[k] != seeds[k - 1]:
                fill(words, law, seeds[k], block, stream, chunk, first, last, True)
            row = carray(pointer_f64(points + k * step), width)
            add(row, at - start, words, law, scales[k], first, last)
        at += last - first


@kernel
def pair(job: int) -> None:
    """Set points[0] = x + plus z and points[1] = x + minus z, with one draw of z for both.

    `job` is the address of int64 numbers, of which plus and minus are float64:

        index     0       1  2     3      4    5     6        7      8
        number    points  x  plus  minus  law  seed  borders  count  stream

    `points`, `x` and `borders` (int64) are the `id` of contiguous arrays. Block b is
    x[borders[b] : borders[b + 1]], and the last of the `count` borders is the size of x.
    """
    array, x_id, _, _, law, seed, borders_id, count, stream = carray(pointer_i64(job), PAIR)
    borders = carray(pointer_i64(elements_of_array(borders_id)), count)
    blocks, dim = count - 1, int(borders[count - 1])
    scales = carray(pointer_f64(job + 8 * PLUS), 2)
    at_points = elements_of_array(array)
    up = carray(pointer_f64(at_points), dim)
    down = carray(pointer_f64(at_points + 8 * dim), dim)
    x = carray(pointer_f64(elements_of_array(x_id)), dim)
    words = carray(words_room(), BUFFER)
    size = elements_of(law)
    for i in range(dim):
        up[i] = down[i] = x[i]
    for block in range(blocks):
        at, stop = 0, borders[block + 1] - borders[block]
        while at < stop:
            chunk, first = at // size, at % size
            last = min(size, first + stop - at)
            fill(words, law, seed, block, stream, chunk, first, last, True)
            offset = borders[block] + at
            add(up, offset, words, law, scales[0], first, last)
            add(down, offset, words, law, scales[1], first, last)
            at += last - first
