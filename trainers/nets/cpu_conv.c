/* 3x3 convolutions of stride 1 by Winograd's algorithm, on one core: a quarter of the multiplications.

   An image is cut into tiles of 4x4 pixels of the output, which depend on 6x6 of the input. Tiles and filters are
   evaluated, as polynomials, in 6x6 points, where a convolution is a product: y = A' [(G g G') * (B' d B)] A, in each
   point one of matrices, tiles by inputs by outputs (Lavin and Gray, Fast algorithms for convolutional neural networks,
   2016, section 4). A side's points are 0, +-sqrt(1/2), +-sqrt(2) and infinity, whose powers are nearer to 1 than those
   of the usual 0, +-1, +-2, so that fewer digits cancel. */

#include "cpu_lanes.h"

/* For loops of known length over arrays of vectors, which lie in registers once no loop is left. */
#define UNROLL _Pragma("GCC unroll 16")
/* Compiled by itself, so that few share the registers. */
#define APART static __attribute__((noinline))

enum { TILE = 4, SIDE = 6, POINTS = 36, FILTER = 9 };
/* Channels are made up to a multiple of this in scratch space. */
enum { EVEN = 16 };
/* TILES are computed at a time, SUMMED of them for gradients of filters. Registers hold a block of a product of
   matrices: ROWS by two vectors, or by one; where it sums over tiles FEW by two, or EVEN by one, as vectors of 16. */
#if defined __AVX512F__
enum { TILES = 28, ROWS = 14, FEW = 8 };
#else
enum { TILES = 24, ROWS = 6, FEW = 4 };
#endif
/* Tiles side by side whose columns are kept between the two sides of a transform. */
enum { SUMMED = 64, STRIP = 8 };
static const float NEAR = 0.70710678118654752f, FAR = 1.41421356237309505f;

typedef struct {
    long images, height, width, inputs, outputs;
} Shape;

/* Steps in memory along the dimensions of filters (outputs, inputs, 3, 3). */
typedef struct {
    long output, input, row, column;
} Steps;

/* Tiles side by side in an image. */
typedef struct {
    long tiles, left, top, image;
} Strip;

INLINE long even(long channels)
{
    return (channels + EVEN - 1) / EVEN * EVEN;
}

/* Numbers from one point to the next: not a multiple of a page, whose lines would want the same places in the cache. */
INLINE long apart(long rows, long channels)
{
    return rows * even(channels) + EVEN;
}

INLINE long smaller(long a, long b)
{
    return a < b ? a : b;
}

static void clear(float *numbers, long count)
{
    for (long i = 0; i < count; i++)
        numbers[i] = 0;
}

/* One side of the transforms, from vectors `step` apart. For each point p a row of B' holds the coefficients of the
   product of (x - q) over all q but p, one of A 1, p, p^2, p^3, one of G 1, p, p^2 divided by that product in p. */
INLINE void by_b(const lanes *d, int step, lanes *to)
{
    lanes d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    lanes near = d4 - 2 * d2, near_odd = d3 - 2 * d1, far = d4 - 0.5f * d2, far_odd = d3 - 0.5f * d1;
    to[0] = d4 - 2.5f * d2 + d0;
    to[1] = near + NEAR * near_odd;
    to[2] = near - NEAR * near_odd;
    to[3] = far + FAR * far_odd;
    to[4] = far - FAR * far_odd;
    to[5] = d5 - 2.5f * d3 + d1;
}

INLINE void by_a(const lanes *m, int step, lanes *to)
{
    lanes near = m[step] + m[2 * step], near_odd = NEAR * (m[step] - m[2 * step]);
    lanes far = m[3 * step] + m[4 * step], far_odd = FAR * (m[3 * step] - m[4 * step]);
    to[0] = m[0] + near + far;
    to[1] = near_odd + far_odd;
    to[2] = 0.5f * near + 2 * far;
    to[3] = 0.5f * near_odd + 2 * far_odd + m[5 * step];
}

INLINE void by_a_back(const lanes *g, int step, lanes *to)
{
    lanes g0 = g[0], g1 = g[step], g2 = g[2 * step], g3 = g[3 * step];
    lanes near = g0 + 0.5f * g2, near_odd = g1 + 0.5f * g3, far = g0 + 2 * g2, far_odd = g1 + 2 * g3;
    to[0] = g0;
    to[1] = near + NEAR * near_odd;
    to[2] = near - NEAR * near_odd;
    to[3] = far + FAR * far_odd;
    to[4] = far - FAR * far_odd;
    to[5] = g3;
}

INLINE void by_g(const lanes *g, int step, lanes *to)
{
    lanes g0 = g[0], g1 = g[step], g2 = g[2 * step];
    lanes near = (g0 + 0.5f * g2) * (-2 / 3.f), near_odd = g1 * (-2 / 3.f * NEAR);
    lanes far = (g0 + 2 * g2) * (1 / 6.f), far_odd = g1 * (1 / 6.f * FAR);
    to[0] = g0;
    to[1] = near + near_odd;
    to[2] = near - near_odd;
    to[3] = far + far_odd;
    to[4] = far - far_odd;
    to[5] = g2;
}

INLINE void by_g_back(const lanes *m, int step, lanes *to)
{
    lanes near = (m[step] + m[2 * step]) * (-2 / 3.f), near_odd = (m[step] - m[2 * step]) * (-2 / 3.f * NEAR);
    lanes far = (m[3 * step] + m[4 * step]) * (1 / 6.f), far_odd = (m[3 * step] - m[4 * step]) * (1 / 6.f * FAR);
    to[0] = m[0] + near + far;
    to[1] = near_odd + far_odd;
    to[2] = 0.5f * near + 2 * far + m[5 * step];
}

static long tiles_across(Shape s)
{
    return (s.width + TILE - 1) / TILE;
}

static long tiles_down(Shape s)
{
    return (s.height + TILE - 1) / TILE;
}

/* What starts at a tile, of `most` tiles at most. */
static Strip strip_at(Shape s, long tile, long most)
{
    long across = tiles_across(s), down = tiles_down(s), column = tile % across, row = tile / across;
    return (Strip){smaller(smaller(across - column, most), STRIP), column * TILE, row % down * TILE, row / down};
}

/* Rows of the strip's image from the one `before` its first on; where there is none, the row `none`. */
INLINE void find_rows(const void *x, Shape s, Strip strip, long channels, const void *none, int before, int half,
                      const char **rows, const int count)
{
    UNROLL
    for (int i = 0; i < count; i++) {
        long row = strip.top - before + i, at = (strip.image * s.height + row) * s.width * channels;
        rows[i] = row < 0 || row >= s.height ? none : (const char *)x + at * (half ? 2 : 4);
    }
}

INLINE void load_column(const char **rows, long column, Shape s, long channels, long c, int half, lanes *to,
                        const int count)
{
    if (column >= 0 && column < s.width)
        UNROLL
        for (int i = 0; i < count; i++)
            to[i] = load(rows[i], column * channels + c, half);
    else
        UNROLL
        for (int i = 0; i < count; i++)
            to[i] = (lanes){0};
}

/* Tiles of pixels in the points: to[point][tile][channel], with room for `room` tiles. `back`: of gradients of y, whose
   tiles are 4x4 pixels, else of x, whose tiles share columns with the next. */
INLINE void strip_in(const void *x, Shape s, long channels, Strip strip, const void *none, float *to, long room,
                     int half, const int back)
{
    const int side = back ? TILE : SIDE, before = back ? 0 : 1;
    const char *rows[SIDE];
    long by_point = apart(room, channels), by_tile = even(channels), together = back ? 1 : strip.tiles;
    find_rows(x, s, strip, channels, none, before, half, rows, side);
    for (long next = 0; next < channels; next += LANES)
        for (long first = 0; first < strip.tiles; first += together) {
            long c = placed(next, channels), left = strip.left + first * TILE - before;
            lanes columns[STRIP * TILE + SIDE - TILE][SIDE];
            for (long j = 0; j < together * TILE + side - TILE; j++) {
                lanes pixels[SIDE];
                load_column(rows, left + j, s, channels, c, half, pixels, side);
                (back ? by_a_back : by_b)(pixels, 1, columns[j]);
            }
            for (long t = 0; t < together; t++)
                for (int i = 0; i < SIDE; i++) {
                    float *there = to + i * SIDE * by_point + (first + t) * by_tile + c;
                    lanes values[SIDE];
                    (back ? by_a_back : by_b)(&columns[t * TILE][i], SIDE, values);
                    UNROLL
                    for (int j = 0; j < SIDE; j++)
                        store(there, j * by_point, values[j], 0);
                }
        }
}

/* Tiles from the points to the pixels of y; rows that y has not are written to `none`. */
INLINE void strip_out(const float *from, Shape s, Strip strip, void *none, void *y, int half)
{
    const char *rows[TILE];
    long by_point = apart(TILES, s.outputs), by_tile = even(s.outputs);
    find_rows(y, s, strip, s.outputs, none, 0, half, rows, TILE);
    for (long next = 0; next < s.outputs; next += LANES) {
        long c = placed(next, s.outputs);
        for (long t = 0; t < strip.tiles; t++) {
            lanes lines[SIDE][TILE];
            for (int i = 0; i < SIDE; i++) {
                const float *there = from + i * SIDE * by_point + t * by_tile + c;
                lanes m[SIDE];
                UNROLL
                for (int j = 0; j < SIDE; j++)
                    m[j] = load(there, j * by_point, 0);
                by_a(m, 1, lines[i]);
            }
            long columns = smaller(s.width - strip.left - t * TILE, TILE);
            for (long j = 0; j < columns; j++) {
                long at = (strip.left + t * TILE + j) * s.outputs + c;
                lanes pixels[TILE];
                by_a(&lines[0][j], TILE, pixels);
                UNROLL
                for (int i = 0; i < TILE; i++)
                    store((char *)rows[i], at, pixels[i], half);
            }
        }
    }
}

INLINE void tiles_in(const void *x, Shape s, long channels, long first, long tiles, const void *none, float *to,
                     long room, int half, const int back)
{
    for (long t = 0; t < tiles;) {
        Strip strip = strip_at(s, first + t, tiles - t);
        float *there = to + t * even(channels);
        if (half)
            strip_in(x, s, channels, strip, none, there, room, 1, back);
        else
            strip_in(x, s, channels, strip, none, there, room, 0, back);
        t += strip.tiles;
    }
}

APART void inputs_in(const void *x, Shape s, long first, long tiles, const void *none, float *to, long room, int half)
{
    tiles_in(x, s, s.inputs, first, tiles, none, to, room, half, 0);
}

APART void gradients_in(const void *y, Shape s, long first, long tiles, const void *none, float *to, long room,
                        int half)
{
    tiles_in(y, s, s.outputs, first, tiles, none, to, room, half, 1);
}

APART void outputs_out(const float *from, Shape s, long first, long tiles, void *none, void *y, int half)
{
    for (long t = 0; t < tiles;) {
        Strip strip = strip_at(s, first + t, tiles - t);
        const float *there = from + t * even(s.outputs);
        if (half)
            strip_out(there, s, strip, none, y, 1);
        else
            strip_out(there, s, strip, none, y, 0);
        t += strip.tiles;
    }
}

/* The sum over `count` steps of one number of each of `rows` rows times vectors of the other matrix. */
INLINE void sum_products(const float *left, long left_row, long left_step, const float *right, long right_step,
                         long count, lanes *sums, const int rows, const int vectors)
{
    UNROLL
    for (int i = 0; i < rows * vectors; i++)
        sums[i] = (lanes){0};
    for (long k = 0; k < count; k++) {
        lanes shared[2]; /* arrays of a length that is not written here would not be registers */
        UNROLL
        for (int j = 0; j < vectors; j++)
            shared[j] = load(right, k * right_step + j * LANES, 0);
        UNROLL
        for (int i = 0; i < rows; i++)
            UNROLL
            for (int j = 0; j < vectors; j++)
                sums[i * vectors + j] += left[i * left_row + k * left_step] * shared[j];
    }
}

/* m[tile][k] = sum over channels of v[tile][c] u[c][k], a block of it. */
INLINE void multiply(const float *v, const float *u, float *m, Shape s, const int vectors)
{
    lanes sums[ROWS * 2];
    sum_products(v, even(s.inputs), 1, u, even(s.outputs), s.inputs, sums, ROWS, vectors);
    UNROLL
    for (int i = 0; i < ROWS; i++)
        UNROLL
        for (int j = 0; j < vectors; j++)
            store(m, i * even(s.outputs) + j * LANES, sums[i * vectors + j], 0);
}

APART void multiply_all(const float *v, const float *u, float *m, Shape s)
{
    long in = even(s.inputs), out = even(s.outputs);
    for (int point = 0; point < POINTS; point++) {
        const float *vs = v + point * apart(TILES, in), *us = u + point * apart(in, out);
        float *ms = m + point * apart(TILES, out);
        long k = 0;
        for (; k + 2 * LANES <= out; k += 2 * LANES)
            for (int t = 0; t < TILES; t += ROWS)
                multiply(vs + t * in, us + k, ms + t * out + k, s, 2);
        for (; k < out; k += LANES)
            for (int t = 0; t < TILES; t += ROWS)
                multiply(vs + t * in, us + k, ms + t * out + k, s, 1);
    }
}

/* u[c][k] += sum over tiles of v[tile][c] w[tile][k], a block of it. */
INLINE void accumulate(const float *v, const float *w, float *u, Shape s, long tiles, const int rows, const int vectors)
{
    lanes sums[EVEN];
    sum_products(v, 1, even(s.inputs), w, even(s.outputs), tiles, sums, rows, vectors);
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
        for (int j = 0; j < vectors; j++) {
            long at = i * even(s.outputs) + j * LANES;
            store(u, at, load(u, at, 0) + sums[i * vectors + j], 0);
        }
}

APART void accumulate_all(const float *v, const float *w, float *u, Shape s, long tiles)
{
    long in = even(s.inputs), out = even(s.outputs);
    for (int point = 0; point < POINTS; point++) {
        const float *vs = v + point * apart(SUMMED, in), *ws = w + point * apart(SUMMED, out);
        float *us = u + point * apart(in, out);
        long k = 0;
        for (; k + 2 * LANES <= out; k += 2 * LANES)
            for (long c = 0; c < in; c += FEW)
                accumulate(vs + c, ws + k, us + c * out + k, s, tiles, FEW, 2);
        for (; k < out; k += LANES)
            for (long c = 0; c < in; c += EVEN)
                accumulate(vs + c, ws + k, us + c * out + k, s, tiles, EVEN, 1);
    }
}

/* Filters to plain[place][input][output]. `turned`: those of the convolution of gradients of the output that gives
   gradients of the input, where outputs and inputs have changed parts. */
static void filters_in(const float *weight, Steps by, Shape s, int turned, float *plain)
{
    long in = even(s.inputs), out = even(s.outputs);
    long down = turned ? by.output : by.input, along = turned ? by.input : by.output;
    clear(plain, FILTER * in * out);
    for (int place = 0; place < FILTER; place++) {
        int from = turned ? FILTER - 1 - place : place;
        const float *there = weight + from / 3 * by.row + from % 3 * by.column;
        for (long c = 0; c < s.inputs; c++)
            for (long k = 0; k < s.outputs; k++)
                plain[(place * in + c) * out + k] = there[c * down + k * along];
    }
}

static void filters_out(const float *plain, Steps by, Shape s, float *weight)
{
    long in = even(s.inputs), out = even(s.outputs);
    for (int place = 0; place < FILTER; place++) {
        float *there = weight + place / 3 * by.row + place % 3 * by.column;
        for (long c = 0; c < s.inputs; c++)
            for (long k = 0; k < s.outputs; k++)
                there[c * by.input + k * by.output] = plain[(place * in + c) * out + k];
    }
}

/* Filters in the points, u[point][input][output]. */
APART void evaluate(const float *plain, Shape s, float *u)
{
    long size = even(s.inputs) * even(s.outputs);
    for (long at = 0; at < size; at += LANES) {
        lanes g[FILTER], columns[3][SIDE];
        UNROLL
        for (int i = 0; i < FILTER; i++)
            g[i] = load(plain, i * size + at, 0);
        UNROLL
        for (int j = 0; j < 3; j++)
            by_g(g + j, 3, columns[j]);
        UNROLL
        for (int i = 0; i < SIDE; i++) {
            lanes values[SIDE];
            by_g(&columns[0][i], SIDE, values);
            UNROLL
            for (int j = 0; j < SIDE; j++)
                store(u, (i * SIDE + j) * apart(even(s.inputs), s.outputs) + at, values[j], 0);
        }
    }
}

APART void evaluate_back(const float *u, Shape s, float *plain)
{
    long size = even(s.inputs) * even(s.outputs);
    for (long at = 0; at < size; at += LANES) {
        lanes lines[SIDE][3];
        UNROLL
        for (int i = 0; i < SIDE; i++) {
            lanes m[SIDE];
            UNROLL
            for (int j = 0; j < SIDE; j++)
                m[j] = load(u, (i * SIDE + j) * apart(even(s.inputs), s.outputs) + at, 0);
            by_g_back(m, 1, lines[i]);
        }
        UNROLL
        for (int j = 0; j < 3; j++) {
            lanes g[3];
            by_g_back(&lines[0][j], 3, g);
            UNROLL
            for (int i = 0; i < 3; i++)
                store(plain, (i * 3 + j) * size + at, g[i], 0);
        }
    }
}

/* Parts of scratch space: filters, inputs and outputs in the points, filters in order, and rows of an image, those that
   are zero and those that nobody wants. All is written before it is read. */
enum { FILTERS, INPUTS, OUTPUTS, PLAIN, ZEROS, UNWANTED, END };

/* Where the parts begin, with `room` for so many tiles. */
static void divide(Shape s, long room, long *at)
{
    long in = even(s.inputs), out = even(s.outputs), wide = in > out ? in : out;
    at[FILTERS] = 0;
    at[INPUTS] = at[FILTERS] + POINTS * apart(in, out);
    at[OUTPUTS] = at[INPUTS] + POINTS * apart(room, in);
    at[PLAIN] = at[OUTPUTS] + POINTS * apart(room, out);
    at[ZEROS] = at[PLAIN] + FILTER * in * out;
    at[UNWANTED] = at[ZEROS] + s.width * wide;
    at[END] = at[UNWANTED] + s.width * wide;
}

/* Numbers of scratch space for both functions that follow. */
long conv_scratch(long width, long inputs, long outputs)
{
    long at[END + 1];
    divide((Shape){0, 0, width, inputs, outputs}, SUMMED, at);
    return at[END];
}

/* y = convolution of x by filters (outputs, inputs, 3, 3) whose steps in memory are given. If `turned`, x are gradients
   of the output of that convolution, y those of its input; `inputs` are the channels of x. */
void conv_apply(const void *x, const float *weight, void *y, float *space, long images, long height, long width,
                long inputs, long outputs, long by_output, long by_input, long by_row, long by_column, int half,
                int turned)
{
    Shape s = {images, height, width, inputs, outputs};
    long all = images * tiles_down(s) * tiles_across(s), at[END + 1];
    divide(s, TILES, at);
    float *u = space + at[FILTERS], *v = space + at[INPUTS], *m = space + at[OUTPUTS], *plain = space + at[PLAIN];
    clear(v, at[OUTPUTS] - at[INPUTS]);
    clear(space + at[ZEROS], at[UNWANTED] - at[ZEROS]);
    filters_in(weight, (Steps){by_output, by_input, by_row, by_column}, s, turned, plain);
    evaluate(plain, s, u);
    for (long first = 0; first < all; first += TILES) {
        long tiles = smaller(all - first, TILES);
        inputs_in(x, s, first, tiles, space + at[ZEROS], v, TILES, half);
        multiply_all(v, u, m, s);
        outputs_out(m, s, first, tiles, space + at[UNWANTED], y, half);
    }
}

/* Gradients of the filters, of the convolution of x, from those of its output. */
void conv_filters(const void *x, const void *gradient, float *weight, float *space, long images, long height,
                  long width, long inputs, long outputs, long by_output, long by_input, long by_row, long by_column,
                  int half)
{
    Shape s = {images, height, width, inputs, outputs};
    long all = images * tiles_down(s) * tiles_across(s), at[END + 1];
    divide(s, SUMMED, at);
    float *u = space + at[FILTERS], *v = space + at[INPUTS], *w = space + at[OUTPUTS], *plain = space + at[PLAIN];
    clear(u, at[PLAIN]);
    clear(space + at[ZEROS], at[UNWANTED] - at[ZEROS]);
    for (long first = 0; first < all; first += SUMMED) {
        long tiles = smaller(all - first, SUMMED);
        inputs_in(x, s, first, tiles, space + at[ZEROS], v, SUMMED, half);
        gradients_in(gradient, s, first, tiles, space + at[ZEROS], w, SUMMED, half);
        accumulate_all(v, w, u, s, tiles);
    }
    evaluate_back(u, s, plain);
    filters_out(plain, (Steps){by_output, by_input, by_row, by_column}, s, weight);
}
