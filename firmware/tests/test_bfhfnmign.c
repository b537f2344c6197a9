/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CCR.BFHFNMIGN: data bus faults at priority -1 and -2 are ignored (ARM DDI 0403, B3.2.8). QEMU 7.2 locks up. */
#include "check.h"

#define NOWHERE 0xA0000100u

static void BadLoad(void)
{
    (void)Load32(NOWHERE);
}

int main(void)
{
    SHCSR |= SHCSR_BUSFAULTENA;
    CCR |= CCR_BFHFNMIGN;
    CpuBarrier();
    CheckEqual("bfhfnmign reads back", CCR & CCR_BFHFNMIGN, CCR_BFHFNMIGN);
    __asm volatile("cpsid f" ::: "memory");
    BadLoad();
    uint32_t count = g_fault.count;
    __asm volatile("cpsie f\n\tisb" ::: "memory");
    CheckEqual("a bad load under faultmask goes on", count, 0);
    CheckEqual("nothing comes after either", g_fault.count, 0);
    CFSR = 0xFFFFFFFFu;
    CheckTrue("at thread priority it faults as ever", TryFault(BadLoad) && g_fault.exception == 5);
    CheckDone();
}
