/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compute mix: a CRC, a small matrix product, fixed-point filters; arithmetic, loads and short loops. */
#include "bench.h"

#define N 8u
#define TAPS 16u

const char g_benchName[] = "compute";
const uint32_t g_benchFixedSteps = 20000;

static int32_t g_left[N][N];
static int32_t g_right[N][N];
static int32_t g_product[N][N];
static int16_t g_signal[64];
static const int16_t g_taps[TAPS] = {3, -9, 17, -28, 40, -52, 61, 512, 512, 61, -52, 40, -28, 17, -9, 3};

void BenchSetUp(void)
{
    for (uint32_t i = 0; i < N * N; ++i) {
        g_left[i / N][i % N] = (int32_t)(i * 7u % 31u) - 15;
        g_right[i / N][i % N] = (int32_t)(i * 13u % 29u) - 14;
        g_signal[i] = (int16_t)(i * 331u % 2003u - 1000u);
    }
}

static uint32_t Crc32(const uint8_t *bytes, uint32_t size, uint32_t crc)
{
    while (size-- != 0) {
        crc ^= *bytes++;
        for (uint32_t bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return crc;
}

static void Multiply(void)
{
    for (uint32_t i = 0; i < N; ++i) {
        for (uint32_t j = 0; j < N; ++j) {
            int32_t sum = 0;
            for (uint32_t k = 0; k < N; ++k) {
                sum += g_left[i][k] * g_right[k][j];
            }
            g_product[i][j] = sum;
        }
    }
}

static int32_t Filter(void)
{
    int64_t energy = 0;
    for (uint32_t i = TAPS; i <= 64u; ++i) {
        int32_t sum = 0;
        for (uint32_t k = 0; k < TAPS; ++k) {
            sum += g_taps[k] * g_signal[i - 1u - k];
        }
        energy += (int64_t)sum * sum;
    }
    return (int32_t)(energy >> 16);
}

void BenchStep(void)
{
    g_left[0][0] = (int32_t)g_benchSteps;
    Multiply();
    uint32_t crc = Crc32((const uint8_t *)g_product, sizeof(g_product), g_benchSink);
    g_benchSink = crc + (uint32_t)Filter();
}
