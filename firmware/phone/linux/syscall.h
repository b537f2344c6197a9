/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linux' system calls on AArch64, without a C library. */
#ifndef SYSCALL_H
#define SYSCALL_H

#include <stdint.h>

enum {
    SYS_IOCTL = 29,
    SYS_READ = 63,
    SYS_WRITE = 64,
    SYS_PPOLL = 73,
    SYS_EXIT_GROUP = 94,
    SYS_CLOCK_GETTIME = 113,
    SYS_SOCKET = 198,
    SYS_BIND = 200,
    SYS_SENDTO = 206,
    SYS_RECVFROM = 207,
};

static inline long Call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm("x8") = number;
    register long x0 __asm("x0") = a;
    register long x1 __asm("x1") = b;
    register long x2 __asm("x2") = c;
    register long x3 __asm("x3") = d;
    register long x4 __asm("x4") = e;
    register long x5 __asm("x5") = f;
    __asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}

#endif
