// AES-128-GCM with the instructions of x86: eight blocks at a time. GHASH is computed as POLYVAL (RFC 8452) of
// byte-reversed blocks, where a product needs no shift, and reduced once for eight blocks.
#if defined(__x86_64__)
#include "gcm.h"

#include <immintrin.h>
#include <string.h>

#define FAST __attribute__((target("aes,pclmul,ssse3")))
enum { LANES = 8 };

FAST static inline __m128i reversed(__m128i block) {
    return _mm_shuffle_epi8(block, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

FAST static inline __m128i load(const void *at) { return _mm_loadu_si128((const __m128i *)at); }

FAST static inline void lanes(const pst_gcm *gcm, __m128i block[LANES]) {
    __m128i key = load(gcm->round_key[0]);
    for (int i = 0; i < LANES; i++) block[i] = _mm_xor_si128(block[i], key);
    for (int round = 1; round < PST_ROUNDS; round++) {
        key = load(gcm->round_key[round]);
        for (int i = 0; i < LANES; i++) block[i] = _mm_aesenc_si128(block[i], key);
    }
    key = load(gcm->round_key[PST_ROUNDS]);
    for (int i = 0; i < LANES; i++) block[i] = _mm_aesenclast_si128(block[i], key);
}

FAST static inline __m128i encrypted(const pst_gcm *gcm, __m128i block) {
    block = _mm_xor_si128(block, load(gcm->round_key[0]));
    for (int round = 1; round < PST_ROUNDS; round++) block = _mm_aesenc_si128(block, load(gcm->round_key[round]));
    return _mm_aesenclast_si128(block, load(gcm->round_key[PST_ROUNDS]));
}

FAST void pst_x86_blocks(const pst_gcm *gcm, const uint8_t *in, uint8_t *out, size_t count) {
    size_t at = 0;
    for (; at + LANES <= count; at += LANES) {
        __m128i block[LANES];
        for (int i = 0; i < LANES; i++) block[i] = load(in + 16 * (at + i));
        lanes(gcm, block);
        for (int i = 0; i < LANES; i++) _mm_storeu_si128((__m128i *)(out + 16 * (at + i)), block[i]);
    }
    for (; at < count; at++)
        _mm_storeu_si128((__m128i *)(out + 16 * at), encrypted(gcm, load(in + 16 * at)));
}

FAST void pst_x86_stream(const pst_gcm *gcm, const uint8_t nonce[12], const uint8_t *in, uint8_t *out,
                         size_t bytes) {
    uint8_t first[16] = {0};
    memcpy(first, nonce, 12);
    __m128i counter = reversed(load(first));
    counter = _mm_add_epi32(counter, _mm_set_epi32(0, 0, 0, 2));
    const __m128i one = _mm_set_epi32(0, 0, 0, 1);
    for (size_t at = 0; at < bytes; at += 16 * LANES) {
        __m128i block[LANES];
        for (int i = 0; i < LANES; i++) {
            block[i] = reversed(counter);
            counter = _mm_add_epi32(counter, one);
        }
        lanes(gcm, block);
        const size_t left = (bytes - at) / 16;
        for (size_t i = 0; i < LANES && i < left; i++)
            _mm_storeu_si128((__m128i *)(out + at + 16 * i), _mm_xor_si128(block[i], load(in + at + 16 * i)));
    }
}

typedef struct {
    __m128i low, middle, high;
} product;

FAST static inline void add_product(product *sum, __m128i a, __m128i b) {
    sum->low = _mm_xor_si128(sum->low, _mm_clmulepi64_si128(a, b, 0x00));
    sum->high = _mm_xor_si128(sum->high, _mm_clmulepi64_si128(a, b, 0x11));
    sum->middle = _mm_xor_si128(sum->middle, _mm_clmulepi64_si128(a, b, 0x01));
    sum->middle = _mm_xor_si128(sum->middle, _mm_clmulepi64_si128(a, b, 0x10));
}

// Modulo x^128 + x^127 + x^126 + x^121 + 1, divided by x^128.
FAST static inline __m128i reduced(product sum) {
    const __m128i modulus = _mm_set_epi64x((long long)0xc200000000000000u, 1);
    __m128i low = _mm_xor_si128(sum.low, _mm_slli_si128(sum.middle, 8));
    const __m128i high = _mm_xor_si128(sum.high, _mm_srli_si128(sum.middle, 8));
    for (int i = 0; i < 2; i++)
        low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(modulus, low, 0x01));
    return _mm_xor_si128(low, high);
}

FAST static inline __m128i times(__m128i a, __m128i b) {
    product sum = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
    add_product(&sum, a, b);
    return reduced(sum);
}

// H times x, and its powers: power[i] is the (i+1)th.
FAST void pst_x86_powers(pst_gcm *gcm) {
    uint64_t h[2];
    _mm_storeu_si128((__m128i *)h, reversed(load(gcm->power[0])));
    const uint64_t carry = -(h[1] >> 63);
    h[1] = (h[1] << 1 | h[0] >> 63) ^ (carry & 0xc200000000000000u);
    h[0] = h[0] << 1 ^ (carry & 1);
    const __m128i first = load(h);
    __m128i power = first;
    for (int i = 0; i < PST_POWERS; i++) {
        _mm_storeu_si128((__m128i *)gcm->power[i], power);
        power = times(power, first);
    }
}

FAST static inline __m128i hashed(const pst_gcm *gcm, __m128i y, const __m128i *block, size_t count) {
    product sum = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
    for (size_t i = 0; i < count; i++)
        add_product(&sum, i ? block[i] : _mm_xor_si128(y, block[i]), load(gcm->power[count - 1 - i]));
    return reduced(sum);
}

FAST void pst_x86_hash(const pst_gcm *gcm, const uint8_t extra[16], const uint8_t *sealed, size_t bytes,
                       uint8_t out[16]) {
    __m128i block[PST_POWERS], y = _mm_setzero_si128();
    size_t held = 0;
    block[held++] = reversed(load(extra));
    for (size_t at = 0; at < bytes; at += 16) {
        block[held++] = reversed(load(sealed + at));
        if (held == PST_POWERS) {
            y = hashed(gcm, y, block, held);
            held = 0;
        }
    }
    block[held++] = _mm_set_epi64x(128, (long long)(8 * bytes));
    y = hashed(gcm, y, block, held);
    _mm_storeu_si128((__m128i *)out, reversed(y));
}
#endif
