/* What the functions in C are written in: numbers side by side in a register, of images in channels_last order.

   Tensors are float or, where `half`, bfloat16; all arithmetic is in float. Nothing of the C library is used. */

#pragma once

/* LANES: numbers computed at a time, as many as a register holds, as compilers take longer vectors apart badly. Rows
   have at least 16 channels. */
#if defined __AVX512F__
enum { LANES = 16 };
#elif defined __AVX2__
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef unsigned bits __attribute__((vector_size(4 * LANES)));
typedef unsigned short halves __attribute__((vector_size(2 * LANES)));

/* Inlined with flags such as `half` known, so that no branch on them is left in a loop. */
#define INLINE static inline __attribute__((always_inline))

INLINE lanes load(const void *from, long at, int half)
{
    if (half) {
        halves narrow;
        __builtin_memcpy(&narrow, (const unsigned short *)from + at, sizeof narrow);
        return (lanes)(__builtin_convertvector(narrow, bits) << 16);
    }
    lanes wide;
    __builtin_memcpy(&wide, (const float *)from + at, sizeof wide);
    return wide;
}

INLINE void store(void *to, long at, lanes value, int half)
{
    if (half) {
        bits raw = (bits)value, none = (bits)(value != value);
        bits nearest = (raw + 0x7fffu + (raw >> 16 & 1u)) >> 16; /* ties to even */
        halves narrow = __builtin_convertvector((nearest & ~none) | (0x7fc0u & none), halves);
        __builtin_memcpy((unsigned short *)to + at, &narrow, sizeof narrow);
    } else {
        __builtin_memcpy((float *)to + at, &value, sizeof value);
    }
}

/* The first channel of a vector of lanes that starts at `channel`: the last one begins earlier, to end with the row. */
INLINE long placed(long channel, long channels)
{
    return channel + LANES <= channels ? channel : channels - LANES;
}
