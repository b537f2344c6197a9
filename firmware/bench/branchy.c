/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Branchy loop: data-dependent branches, a jump table, calls through pointers, recursion. */
#include "bench.h"

const char g_benchName[] = "branchy";
const uint32_t g_benchFixedSteps = 80000;

static uint32_t g_sorted[256];
static uint32_t g_random = 1;

void BenchSetUp(void)
{
    for (uint32_t i = 0; i < 256; ++i) {
        g_sorted[i] = i * i + 3u * i;
    }
}

static uint32_t Random(void)
{
    g_random = g_random * 1664525u + 1013904223u;
    return g_random >> 8;
}

static uint32_t Find(uint32_t value)
{
    uint32_t low = 0;
    uint32_t high = 256;
    while (low < high) {
        uint32_t middle = (low + high) / 2u;
        if (g_sorted[middle] < value) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint32_t Collatz(uint32_t n)
{
    uint32_t length = 0;
    for (; n > 1; ++length) {
        if ((n & 1u) != 0) {
            n = 3u * n + 1u;
        } else {
            n /= 2u;
        }
    }
    return length;
}

__attribute__((noinline)) static uint32_t Fibonacci(uint32_t n)
{
    return n < 2 ? n : Fibonacci(n - 1u) + Fibonacci(n - 2u);
}

/* A lexer's state machine over pseudo-random characters. */
static uint32_t Lex(void)
{
    enum { SPACE, WORD, NUMBER, TEXT } state = SPACE;
    uint32_t tokens = 0;
    for (uint32_t i = 0; i < 32; ++i) {
        uint32_t c = Random() & 7u;
        switch (state) {
            case SPACE:
                state = c < 3 ? SPACE : c < 5 ? WORD : c < 7 ? NUMBER : TEXT;
                break;
            case WORD:
                if (c == 0) {
                    ++tokens;
                    state = SPACE;
                }
                break;
            case NUMBER:
                if (c < 2) {
                    ++tokens;
                    state = c == 0 ? SPACE : WORD;
                }
                break;
            case TEXT:
                if (c == 7) {
                    ++tokens;
                    state = SPACE;
                }
                break;
        }
    }
    return tokens;
}

static uint32_t FindAny(void)
{
    return Find(Random() & 0xFFFFu);
}

static uint32_t CollatzAny(void)
{
    return Collatz((Random() & 0xFFu) + 1u);
}

static uint32_t FibonacciAny(void)
{
    return Fibonacci(6u + (Random() & 1u));
}

void BenchStep(void)
{
    static uint32_t (*const works[])(void) = {FindAny, CollatzAny, FibonacciAny, Lex};
    for (uint32_t i = 0; i < 16; ++i) {
        g_benchSink += works[(Random() >> 3) & 3u]();
    }
}
