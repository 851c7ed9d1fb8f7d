/* Batch norm with the addition and the ReLU that follow it, on one core.

   A tensor of images in channels_last order is a matrix: a row for each pixel, a column for each channel. torch passes
   over it seven or eight times for these three layers, forwards and backwards; here it is four times. Sums of many rows
   are in double. */

#include "cpu_lanes.h"

/* Channels for which there is scratch space. */
enum { MOST = 4096 };

INLINE lanes of_channel(const float *values, long channel)
{
    return load(values, channel, 0);
}

/* `value` where `gate` is above zero or no number, so that what is no number stays none; else zero. */
INLINE lanes let_through(lanes value, lanes gate)
{
    return (lanes)((bits)value & ~(bits)(gate <= 0));
}

/* What is summed over the rows, two numbers for each channel: see `terms`. */
typedef struct {
    const void *x, *y, *gradient;
    void *outer;
    const float *centre, *scale, *shift;
    long rows, channels;
} Summed;

enum { MOMENTS, SLOPES };

/* MOMENTS: deviation from the centre, and its square. SLOPES: gradient, and its product with that deviation; with `add`
   the gradient that the ReLU let through is also written, as it is that of what was added. */
INLINE void terms(Summed of, long row, long c, int what, int half, int add, int rectify, lanes *one, lanes *two)
{
    long at = row * of.channels + c;
    lanes value = load(of.x, at, half), off = value - of_channel(of.centre, c);
    if (what == MOMENTS) {
        *one += off;
        *two += off * off;
        return;
    }
    lanes slope = load(of.gradient, at, half);
    if (add) {
        slope = let_through(slope, load(of.y, at, half));
        store(of.outer, at, slope, half);
    } else if (rectify) {
        slope = let_through(slope, value * of_channel(of.scale, c) + of_channel(of.shift, c));
    }
    *one += slope;
    *two += slope * off;
}

/* Add lanes to the sums of the channels from c on, but for those that the vector before it held already. */
INLINE void add_up(double *sums, lanes value, long c, long wanted)
{
    for (long lane = wanted - c; lane < LANES; lane++)
        sums[c + lane] += value[lane];
}

/* Rows of few channels: sums of all in registers, ROWS rows side by side so that no addition waits for the last. */
INLINE void sum_narrow(Summed of, double *one, double *two, int what, int half, int add, int rectify, const int VECTORS,
                       const int ROWS)
{
    enum { CHUNK = 256 };
    for (long first = 0; first < of.rows; first += CHUNK) {
        long row = first, last = first + CHUNK < of.rows ? first + CHUNK : of.rows;
        lanes a[VECTORS * ROWS], b[VECTORS * ROWS];
        for (int i = 0; i < VECTORS * ROWS; i++)
            a[i] = b[i] = (lanes){0};
        for (; row + ROWS <= last; row += ROWS)
            for (int r = 0; r < ROWS; r++)
                for (int v = 0; v < VECTORS; v++)
                    terms(of, row + r, placed(v * LANES, of.channels), what, half, add, rectify, &a[r * VECTORS + v],
                          &b[r * VECTORS + v]);
        for (; row < last; row++)
            for (int v = 0; v < VECTORS; v++)
                terms(of, row, placed(v * LANES, of.channels), what, half, add, rectify, &a[v], &b[v]);
        for (int v = 0; v < VECTORS; v++) {
            long wanted = v * LANES, c = placed(wanted, of.channels);
            for (int r = 1; r < ROWS; r++) {
                a[v] += a[r * VECTORS + v];
                b[v] += b[r * VECTORS + v];
            }
            add_up(one, a[v], c, wanted);
            add_up(two, b[v], c, wanted);
        }
    }
}

/* Rows of many channels, read as they lie: sums in memory, which the cache nearest to the core holds. */
INLINE void sum_wide(Summed of, double *one, double *two, int what, int half, int add, int rectify)
{
    enum { CHUNK = 64 };
    lanes a[MOST / LANES], b[MOST / LANES];
    long vectors = (of.channels + LANES - 1) / LANES;
    for (long first = 0; first < of.rows; first += CHUNK) {
        long last = first + CHUNK < of.rows ? first + CHUNK : of.rows;
        for (long v = 0; v < vectors; v++)
            a[v] = b[v] = (lanes){0};
        for (long row = first; row < last; row++)
            for (long v = 0; v < vectors; v++)
                terms(of, row, placed(v * LANES, of.channels), what, half, add, rectify, &a[v], &b[v]);
        for (long v = 0; v < vectors; v++) {
            long wanted = v * LANES, c = placed(wanted, of.channels);
            add_up(one, a[v], c, wanted);
            add_up(two, b[v], c, wanted);
        }
    }
}

INLINE void sum_rows(Summed of, double *one, double *two, int what, int half, int add, int rectify)
{
    for (long c = 0; c < of.channels; c++)
        one[c] = two[c] = 0;
    if (of.channels == LANES)
        sum_narrow(of, one, two, what, half, add, rectify, 1, 4);
    else if (of.channels <= 2 * LANES)
        sum_narrow(of, one, two, what, half, add, rectify, 2, 2);
    else if (of.channels <= 3 * LANES)
        sum_narrow(of, one, two, what, half, add, rectify, 3, 1);
    else if (of.channels <= 4 * LANES)
        sum_narrow(of, one, two, what, half, add, rectify, 4, 1);
    else
        sum_wide(of, one, two, what, half, add, rectify);
}

INLINE void apply(const void *x, const void *added, void *y, const float *scale, const float *shift, long rows,
                  long channels, int half, int add, int rectify)
{
    for (long row = 0; row < rows; row++)
        for (long next = 0; next < channels; next += LANES) {
            long c = placed(next, channels), at = row * channels + c;
            lanes value = load(x, at, half) * of_channel(scale, c) + of_channel(shift, c);
            if (add)
                value += load(added, at, half);
            store(y, at, rectify ? let_through(value, value) : value, half);
        }
}

INLINE void propagate(const void *x, const void *gradient, void *inner, const float *scale, const float *shift,
                      const float *along, const float *constant, long rows, long channels, int half, int rectify)
{
    for (long row = 0; row < rows; row++)
        for (long next = 0; next < channels; next += LANES) {
            long c = placed(next, channels), at = row * channels + c;
            lanes value = load(x, at, half), slope = load(gradient, at, half), factor = of_channel(scale, c);
            if (rectify)
                slope = let_through(slope, value * factor + of_channel(shift, c));
            store(inner, at, factor * slope + (value * of_channel(along, c) + of_channel(constant, c)), half);
        }
}

/* The cases that occur: an addition has a ReLU after it. */
#define FOR_EACH_CASE(CALL)                  \
    if (half && add) CALL(1, 1, 1);          \
    else if (half && rectify) CALL(1, 0, 1); \
    else if (half) CALL(1, 0, 0);            \
    else if (add) CALL(0, 1, 1);             \
    else if (rectify) CALL(0, 0, 1);         \
    else CALL(0, 0, 0);

static void apply_any(const void *x, const void *added, void *y, const float *scale, const float *shift, long rows,
                      long channels, int half, int rectify)
{
    int add = added != 0;
#define CALL(HALF, ADD, RECTIFY) apply(x, added, y, scale, shift, rows, channels, HALF, ADD, RECTIFY)
    FOR_EACH_CASE(CALL)
#undef CALL
}

static void first_mean(const void *x, float *mean, long rows, long channels, int half)
{
    long few = rows < 64 ? rows : 64;
    for (long next = 0; next < channels; next += LANES) {
        long c = placed(next, channels);
        lanes sum = {0};
        for (long row = 0; row < few; row++)
            sum += load(x, row * channels + c, half);
        store(mean, c, sum / (float)few, 0);
    }
}

/* y = relu(batch_norm(x) + added), statistics of the batch. `kept`, 4 rows of channels, is for `norm_backward`: mean,
   1 / standard deviation, scale, shift. The running statistics take a share `momentum` of the new ones. */
void norm_forward(const void *x, const void *added, void *y, const float *weight, const float *bias,
                  float *running_mean, float *running_var, float *kept, long rows, long channels, double momentum,
                  double eps, int half, int rectify)
{
    float *mean = kept, *rstd = kept + channels, *scale = kept + 2 * channels, *shift = kept + 3 * channels;
    double one[MOST], two[MOST];
    /* About the mean of the first pixels, so that squares lose no digits where the mean is large. */
    first_mean(x, mean, rows, channels, half);
    Summed of = {.x = x, .centre = mean, .rows = rows, .channels = channels};
    if (half)
        sum_rows(of, one, two, MOMENTS, 1, 0, 0);
    else
        sum_rows(of, one, two, MOMENTS, 0, 0, 0);
    for (long c = 0; c < channels; c++) {
        double off = one[c] / rows, exact = mean[c] + off, squares = two[c] - one[c] * off;
        squares = squares < 0 ? 0 : squares;
        mean[c] = exact;
        rstd[c] = 1 / __builtin_sqrt(squares / rows + eps);
        scale[c] = weight[c] * rstd[c];
        shift[c] = bias[c] - mean[c] * scale[c];
        running_mean[c] += momentum * (exact - running_mean[c]);
        running_var[c] += momentum * (squares / (rows - 1) - running_var[c]);
    }
    apply_any(x, added, y, scale, shift, rows, channels, half, rectify);
}

/* Gradients of x (`inner`), of weight and bias (`slopes`, 2 rows), and of what was added (`outer`), which is given
   together with y: where something was added only the output tells what the ReLU let through. */
void norm_backward(const void *x, const void *y, const void *gradient, void *outer, void *inner, const float *kept,
                   float *slopes, long rows, long channels, int half, int rectify)
{
    const float *mean = kept, *rstd = kept + channels, *scale = kept + 2 * channels, *shift = kept + 3 * channels;
    double alone[MOST], product[MOST];
    float along[MOST], constant[MOST];
    Summed of = {x, y, gradient, outer, mean, scale, shift, rows, channels};
    int add = y != 0;
#define CALL(HALF, ADD, RECTIFY) sum_rows(of, alone, product, SLOPES, HALF, ADD, RECTIFY)
    FOR_EACH_CASE(CALL)
#undef CALL
    for (long c = 0; c < channels; c++) {
        slopes[c] = product[c] * rstd[c];
        slopes[channels + c] = alone[c];
        /* scale (slope - mean slope - unit x's share): linear in x but for the first. */
        along[c] = -scale[c] * (product[c] / rows) * rstd[c] * rstd[c];
        constant[c] = -scale[c] * (alone[c] / rows) - (double)along[c] * mean[c];
    }
    const void *passed = add ? outer : gradient;
    rectify = rectify && !add;
#define CALL(HALF, ADD, RECTIFY) \
    propagate(x, passed, inner, scale, shift, along, constant, rows, channels, HALF, RECTIFY)
    add = 0;
    FOR_EACH_CASE(CALL)
#undef CALL
}

/* The same by statistics that are given, as a network does that is not in training. */
void norm_fixed(const void *x, const void *added, void *y, const float *mean, const float *var, const float *weight,
                const float *bias, long rows, long channels, double eps, int half, int rectify)
{
    float scale[MOST], shift[MOST];
    for (long c = 0; c < channels; c++) {
        scale[c] = weight[c] / __builtin_sqrt(var[c] + eps);
        shift[c] = bias[c] - mean[c] * scale[c];
    }
    apply_any(x, added, y, scale, shift, rows, channels, half, rectify);
}
