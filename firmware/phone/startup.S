/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reset and exceptions of the phone: EL1, MMU off, one core. */
    .section .text.start, "ax"
    .global _start
_start:
    ldr x1, =__stack_end
    mov sp, x1
    ldr x1, =Vectors
    msr vbar_el1, x1
    isb
    ldr x1, =__bss_start
    ldr x2, =__bss_end
1:  cmp x1, x2
    b.hs 2f
    str xzr, [x1], #8
    b 1b
2:  bl main
3:  wfi
    b 3b

    .macro vector target
    .balign 0x80
    b \target
    .endm

    .balign 0x800
Vectors:
    .rept 4
    vector Unexpected
    .endr
    vector Unexpected
    vector Interrupt
    vector Unexpected
    vector Unexpected
    .rept 8
    vector Unexpected
    .endr

/* What C code does not keep, and where to return. */
Interrupt:
    sub sp, sp, #192
    stp x0, x1, [sp, #0]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x29, [sp, #144]
    mrs x0, elr_el1
    mrs x1, spsr_el1
    stp x30, x0, [sp, #160]
    str x1, [sp, #176]
    bl InterruptHandler
    ldr x1, [sp, #176]
    ldp x30, x0, [sp, #160]
    msr spsr_el1, x1
    msr elr_el1, x0
    ldp x18, x29, [sp, #144]
    ldp x16, x17, [sp, #128]
    ldp x14, x15, [sp, #112]
    ldp x12, x13, [sp, #96]
    ldp x10, x11, [sp, #80]
    ldp x8, x9, [sp, #64]
    ldp x6, x7, [sp, #48]
    ldp x4, x5, [sp, #32]
    ldp x2, x3, [sp, #16]
    ldp x0, x1, [sp, #0]
    add sp, sp, #192
    eret

Unexpected:
    mrs x0, esr_el1
    mrs x1, elr_el1
    mrs x2, far_el1
    bl FaultHandler
1:  wfi
    b 1b
