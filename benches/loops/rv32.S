# Guest loops of the engine bench for RV32 at 0x80000000 (also `qemu-system-riscv32 -M virt -bios none`). S11 counts the
# rounds down.
    .option norvc
    .globl _start
_start:
    lui s0, 0x80004
    lui t5, 0x196
    addi t5, t5, 1549
    lui t6, 0x3c6ef
    addi t6, t6, 863
    li a0, 1
#if defined(LOOP_mix)
1:  mul a0, a0, t5
    add a0, a0, t6
    srli a1, a0, 22
    andi a1, a1, 0x3fc
    add a1, a1, s0
    lw a2, 0(a1)
    xor a2, a2, a0
    slli a3, a2, 3
    srli a4, a2, 7
    or a3, a3, a4
    add a2, a2, a3
    sw a2, 0(a1)
    jal ra, 2f
    bltz a2, 3f
    addi a7, a7, -3
3:  andi a3, a2, 255
    sb a3, 1(s0)
    lhu a3, 2(s0)
    add a7, a7, a3
    addi s11, s11, -1
    j 1b
2:  mulhu a5, a2, a0
    add s9, s9, a5
    sltu a5, s9, a5
    xor s9, s9, a5
    ret
#elif defined(LOOP_branchy)
1:  addi s11, s11, -1
    mul a0, a0, t5
    add a0, a0, t6
    bltz a0, 2f
    addi a2, a2, 1
2:  slli a1, a0, 1
    bgez a1, 3f
    addi a3, a3, 1
    j 4f
3:  addi a3, a3, 2
4:  andi a4, a0, 0x100
    beqz a4, 5f
    addi a2, a2, 3
5:  bltu a2, a1, 6f
    addi a3, a3, 1
6:  beqz a2, 7f
    xor a4, a4, a0
7:  j 1b
#elif defined(LOOP_memcpy)
1:  addi s11, s11, -1
    mv a0, s0
    lui a1, 0x80006
    li a2, 512
2:  lw a3, 0(a0)
    sw a3, 0(a1)
    lw a3, 4(a0)
    sw a3, 4(a1)
    addi a0, a0, 8
    addi a1, a1, 8
    addi a2, a2, -1
    bnez a2, 2b
    j 1b
#endif
