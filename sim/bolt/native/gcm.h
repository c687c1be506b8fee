// AES-128-GCM over whole blocks, with 96-bit nonces and 16 bytes of associated data: what pages need.
#ifndef PENSTOCK_BOLT_GCM_H
#define PENSTOCK_BOLT_GCM_H

#include <stddef.h>
#include <stdint.h>

enum { PST_BLOCK = 16, PST_ROUNDS = 10, PST_POWERS = 8 };

typedef struct {
    _Alignas(16) uint8_t round_key[PST_ROUNDS + 1][PST_BLOCK];
    _Alignas(16) uint8_t power[PST_POWERS][PST_BLOCK];  // of H: as bytes in [0]; for carry-less products on x86
    int fast;
} pst_gcm;

// A key made ready. fast: use the machine's AES and carry-less multiplication where it has them.
void pst_gcm_key(pst_gcm *gcm, const uint8_t key[16], int fast);
void pst_gcm_seal(const pst_gcm *gcm, const uint8_t nonce[12], const uint8_t extra[16], const uint8_t *plain,
                  uint8_t *sealed, size_t bytes);
// Decrypts only what its tag, behind its bytes, vouches for; 0 otherwise.
int pst_gcm_open(const pst_gcm *gcm, const uint8_t nonce[12], const uint8_t extra[16], const uint8_t *sealed,
                 uint8_t *plain, size_t bytes);
// Blocks of AES in counter mode from a 128-bit counter's low half (its high half is zero).
void pst_aes_counter(const pst_gcm *gcm, uint64_t first, uint8_t *out, size_t blocks);
int pst_machine_has_aes(void);

#if defined(__x86_64__)
void pst_x86_powers(pst_gcm *gcm);
void pst_x86_blocks(const pst_gcm *gcm, const uint8_t *in, uint8_t *out, size_t blocks);
void pst_x86_stream(const pst_gcm *gcm, const uint8_t nonce[12], const uint8_t *in, uint8_t *out, size_t bytes);
void pst_x86_hash(const pst_gcm *gcm, const uint8_t extra[16], const uint8_t *sealed, size_t bytes,
                  uint8_t out[16]);
#endif

#endif
