// Reductions across the threads of a block: every thread gets the result, the same bits whatever the order.
#pragma once

#include "operators.cuh"

namespace fold {

struct sum {
    template <class T> __device__ static T of(T a, T b) { return a + b; }
};
struct prod {
    template <class T> __device__ static T of(T a, T b) { return a * b; }
};
struct max {
    template <class T> __device__ static T of(T a, T b) { return ein::max(a, b); }
};
struct min {
    template <class T> __device__ static T of(T a, T b) { return ein::min(a, b); }
};
struct any {
    __device__ static int of(int a, int b) { return a || b; }
};
struct all {
    __device__ static int of(int a, int b) { return a && b; }
};

/* Over the 32 threads of a warp. */
template <class Fold, class T>
__device__ inline T warp(T x) {
    for (int step = 16; step > 0; step /= 2) {
        x = Fold::of(x, __shfl_xor_sync(0xffffffffu, x, step));
    }
    return x;
}

/* Over the THREADS threads of a block; `partial` is shared memory for one value of every warp. */
template <class Fold, int THREADS, class T>
__device__ inline T block(T x, T* partial) {
    x = warp<Fold>(x);
    if (THREADS == 32) return x;
    __syncthreads();  // whoever reads an earlier fold has done so
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = x;
    __syncthreads();
    x = partial[0];
    for (int number = 1; number < THREADS / 32; ++number) x = Fold::of(x, partial[number]);
    return x;
}

}  // namespace fold
