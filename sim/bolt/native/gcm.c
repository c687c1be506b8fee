// AES-128-GCM (FIPS 197, SP 800-38D): in plain C, or by `gcm_x86.c` where the machine has the instructions.
#include "gcm.h"

#include <string.h>

static const uint8_t SBOX[256] = {
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
    0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
    0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
    0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
    0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
    0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
    0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
    0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
    0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
    0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
    0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
    0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
    0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
    0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
};

static uint8_t doubled(uint8_t a) { return (uint8_t)(a << 1 ^ (a >> 7) * 0x1b); }

static void expand(pst_gcm *gcm, const uint8_t key[16]) {
    uint8_t *words = gcm->round_key[0], constant = 1;
    memcpy(words, key, PST_BLOCK);
    for (int at = 16; at < (PST_ROUNDS + 1) * PST_BLOCK; at += 4) {
        uint8_t word[4];
        memcpy(word, words + at - 4, 4);
        if (at % 16 == 0) {
            const uint8_t first = word[0];
            for (int i = 0; i < 3; i++) word[i] = SBOX[word[i + 1]];
            word[3] = SBOX[first];
            word[0] ^= constant;
            constant = doubled(constant);
        }
        for (int i = 0; i < 4; i++) words[at + i] = words[at - 16 + i] ^ word[i];
    }
}

static void encrypt(const pst_gcm *gcm, const uint8_t in[16], uint8_t out[16]) {
    uint8_t state[16], shifted[16];
    for (int i = 0; i < 16; i++) state[i] = in[i] ^ gcm->round_key[0][i];
    for (int round = 1; round <= PST_ROUNDS; round++) {
        for (int i = 0; i < 16; i++) shifted[i] = SBOX[state[(i + 4 * (i % 4)) % 16]];
        for (int column = 0; column < 16; column += 4) {
            const uint8_t *s = shifted + column, all = s[0] ^ s[1] ^ s[2] ^ s[3];
            for (int i = 0; i < 4; i++) {
                const uint8_t mixed = s[i] ^ all ^ doubled(s[i] ^ s[(i + 1) % 4]);
                state[column + i] = (round < PST_ROUNDS ? mixed : s[i]) ^ gcm->round_key[round][column + i];
            }
        }
    }
    memcpy(out, state, 16);
}

static void blocks(const pst_gcm *gcm, const uint8_t *in, uint8_t *out, size_t count) {
#if defined(__x86_64__)
    if (gcm->fast) {
        pst_x86_blocks(gcm, in, out, count);
        return;
    }
#endif
    for (size_t at = 0; at < count; at++) encrypt(gcm, in + 16 * at, out + 16 * at);
}

static void put_big(uint8_t *out, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static uint64_t big(const uint8_t in[8]) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value = value << 8 | in[i];
    return value;
}

// y = (y ^ block) * H, bit by bit: the leftmost bit of a block is the coefficient of x^0.
static void hash_block(uint64_t y[2], uint64_t high, uint64_t low, const pst_gcm *gcm) {
    uint64_t v[2] = {big(gcm->power[0]), big(gcm->power[0] + 8)}, z[2] = {0, 0};
    const uint64_t x[2] = {y[0] ^ high, y[1] ^ low};
    for (int i = 0; i < 128; i++) {
        const uint64_t take = -(x[i / 64] >> (63 - i % 64) & 1), out = -(v[1] & 1);
        z[0] ^= v[0] & take;
        z[1] ^= v[1] & take;
        v[1] = v[1] >> 1 | v[0] << 63;
        v[0] = v[0] >> 1 ^ (out & 0xe100000000000000u);
    }
    y[0] = z[0];
    y[1] = z[1];
}

static void hash(const pst_gcm *gcm, const uint8_t extra[16], const uint8_t *sealed, size_t bytes,
                 uint8_t out[16]) {
    uint64_t y[2] = {0, 0};
    hash_block(y, big(extra), big(extra + 8), gcm);
    for (size_t at = 0; at < bytes; at += 16) hash_block(y, big(sealed + at), big(sealed + at + 8), gcm);
    hash_block(y, 128, 8 * (uint64_t)bytes, gcm);
    put_big(out, y[0], 8);
    put_big(out + 8, y[1], 8);
}

static void stream(const pst_gcm *gcm, const uint8_t nonce[12], const uint8_t *in, uint8_t *out, size_t bytes) {
    uint8_t counter[16], pad[16];
    memcpy(counter, nonce, 12);
    for (size_t at = 0; at < bytes; at += 16) {
        put_big(counter + 12, 2 + at / 16, 4);
        encrypt(gcm, counter, pad);
        for (int i = 0; i < 16; i++) out[at + i] = in[at + i] ^ pad[i];
    }
}

static void tag_of(const pst_gcm *gcm, const uint8_t nonce[12], const uint8_t extra[16], const uint8_t *sealed,
                   size_t bytes, uint8_t tag[16]) {
    uint8_t first[16], hashed[16];
    memcpy(first, nonce, 12);
    put_big(first + 12, 1, 4);
    blocks(gcm, first, tag, 1);
#if defined(__x86_64__)
    if (gcm->fast) {
        pst_x86_hash(gcm, extra, sealed, bytes, hashed);
    } else
#endif
        hash(gcm, extra, sealed, bytes, hashed);
    for (int i = 0; i < 16; i++) tag[i] ^= hashed[i];
}

static void streamed(const pst_gcm *gcm, const uint8_t nonce[12], const uint8_t *in, uint8_t *out, size_t bytes) {
#if defined(__x86_64__)
    if (gcm->fast) {
        pst_x86_stream(gcm, nonce, in, out, bytes);
        return;
    }
#endif
    stream(gcm, nonce, in, out, bytes);
}

int pst_machine_has_aes(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("ssse3");
#else
    return 0;
#endif
}

void pst_gcm_key(pst_gcm *gcm, const uint8_t key[16], int fast) {
    static const uint8_t zero[16];
    memset(gcm, 0, sizeof *gcm);
    expand(gcm, key);
    encrypt(gcm, zero, gcm->power[0]);
    gcm->fast = fast && pst_machine_has_aes();
#if defined(__x86_64__)
    if (gcm->fast) pst_x86_powers(gcm);
#endif
}

void pst_gcm_seal(const pst_gcm *gcm, const uint8_t nonce[12], const uint8_t extra[16], const uint8_t *plain,
                  uint8_t *sealed, size_t bytes) {
    streamed(gcm, nonce, plain, sealed, bytes);
    tag_of(gcm, nonce, extra, sealed, bytes, sealed + bytes);
}

int pst_gcm_open(const pst_gcm *gcm, const uint8_t nonce[12], const uint8_t extra[16], const uint8_t *sealed,
                 uint8_t *plain, size_t bytes) {
    uint8_t tag[16], differs = 0;
    tag_of(gcm, nonce, extra, sealed, bytes, tag);
    for (int i = 0; i < 16; i++) differs |= tag[i] ^ sealed[bytes + i];
    if (differs) return 0;
    streamed(gcm, nonce, sealed, plain, bytes);
    return 1;
}

void pst_aes_counter(const pst_gcm *gcm, uint64_t first, uint8_t *out, size_t count) {
    memset(out, 0, 16 * count);
    for (size_t at = 0; at < count; at++) put_big(out + 16 * at + 8, first + at, 8);
    blocks(gcm, out, out, count);
}
