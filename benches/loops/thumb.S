@ Guest loops of the engine bench, Cortex-M3 code at address 0 with a vector table, so that the same image runs on
@ `qemu-system-arm -M mps2-an385`. Each never ends. Assemble with LOOP=mix, branchy or memcpy; see the Makefile.
@ R8 counts the rounds down, for an emulator that does not tell how many instructions it executed.
    .syntax unified
    .thumb
    .cpu cortex-m3
    .word 0x20008000, start + 1
    .org 0x100
    .thumb_func
start:
#if defined(LOOP_mix)
    @ Arithmetic, a table look-up, a store, a call and conditional execution: 27 instructions a round.
    ldr r4, =0x20000000
    movs r0, #1
    ldr r5, =1664525
    ldr r6, =1013904223
1:  mla r0, r0, r5, r6
    lsrs r1, r0, #22
    and r1, r1, #0x3fc
    ldr r2, [r4, r1]
    eors r2, r0
    ror r3, r2, #7
    add r2, r2, r3, lsl #3
    str r2, [r4, r1]
    bl 2f
    cmp r2, #0
    ite mi
    addmi r7, r7, #1
    subpl r7, r7, #3
    uxtb r3, r2
    strb r3, [r4, #1]
    ldrh r3, [r4, #2]
    add r7, r7, r3
    bfi r7, r2, #4, #9
    subs r8, r8, #1
    bne 1b
    b 1b
2:  umull r3, r9, r2, r0
    add r9, r9, r3
    clz r3, r9
    eor r9, r9, r3
    bx lr
#elif defined(LOOP_branchy)
    @ A block of one to three instructions between branches, half of them taken by a pseudo-random bit.
    movs r0, #1
    ldr r5, =1664525
    ldr r6, =1013904223
1:  subs r8, #1
    mla r0, r0, r5, r6
    lsls r1, r0, #1
    bcc 2f
    adds r2, #1
2:  lsls r1, r0, #2
    bpl 3f
    adds r3, #1
    b 4f
3:  adds r3, #2
4:  tst r0, #0x10000
    beq 5f
    adds r2, #3
5:  cmp r1, r2
    bhi 6f
    adds r3, #1
6:  cbz r2, 7f
    eors r4, r0
7:  b 1b
#elif defined(LOOP_memcpy)
    @ 4 KiB copied word by word, unrolled by two.
1:  subs r8, #1
    ldr r0, =0x20000000
    ldr r1, =0x20002000
    mov r2, #512
2:  ldr r3, [r0], #4
    str r3, [r1], #4
    ldr r3, [r0], #4
    str r3, [r1], #4
    subs r2, #1
    bne 2b
    b 1b
#endif
    .ltorg
