// Guest loops of the engine bench for AArch64 at 0x40000000 (also `qemu-system-aarch64 -M virt -cpu cortex-a53`). X28
// counts the rounds down. The MMU is off.
    .globl _start
_start:
    movz x19, #0x4000, lsl #16
    movk x19, #0x4000
    movz w20, #0x660d
    movk w20, #0x19, lsl #16
    movz w21, #0xf35f
    movk w21, #0x3c6e, lsl #16
    mov w0, #1
#if defined(LOOP_mix)
1:  madd w0, w0, w20, w21
    ubfx w1, w0, #22, #8
    ldr w2, [x19, x1, lsl #2]
    eor w2, w2, w0
    ror w3, w2, #7
    add w2, w2, w3, lsl #3
    str w2, [x19, x1, lsl #2]
    bl 2f
    cmp w2, #0
    csinc w7, w7, w7, pl
    and w3, w2, #0xff
    strb w3, [x19, #1]
    ldrh w3, [x19, #2]
    add w7, w7, w3
    bfi w7, w2, #4, #9
    subs x28, x28, #1
    b.ne 1b
    b 1b
2:  umull x3, w2, w0
    add x9, x9, x3
    clz x3, x9
    eor x9, x9, x3
    ret
#elif defined(LOOP_branchy)
1:  sub x28, x28, #1
    madd w0, w0, w20, w21
    tbnz w0, #31, 2f
    add w2, w2, #1
2:  tbz w0, #30, 3f
    add w3, w3, #1
    b 4f
3:  add w3, w3, #2
4:  tbz w0, #16, 5f
    add w2, w2, #3
5:  cmp w0, w2
    b.hi 6f
    add w3, w3, #1
6:  cbz w2, 7f
    eor w4, w4, w0
7:  b 1b
#elif defined(LOOP_memcpy)
1:  sub x28, x28, #1
    mov x0, x19
    movz x1, #0x4000, lsl #16
    movk x1, #0x6000
    mov w2, #512
2:  ldr w3, [x0], #4
    str w3, [x1], #4
    ldr w3, [x0], #4
    str w3, [x1], #4
    subs w2, w2, #1
    b.ne 2b
    b 1b
#endif
