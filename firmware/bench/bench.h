/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A benchmark image: one step of work, done for ever or, built with BENCH_FIXED, a fixed number of times. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

/* Steps done so far; a host reads it by its symbol. */
extern volatile uint32_t g_benchSteps;

/* Given by each benchmark. */
extern const char g_benchName[];
extern const uint32_t g_benchFixedSteps;
void BenchSetUp(void);
void BenchStep(void);

/* Where results go, so that no compiler removes the work. */
extern volatile uint32_t g_benchSink;

#endif
