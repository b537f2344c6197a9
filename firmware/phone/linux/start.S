/* SPDX-License-Identifier: GPL-2.0-or-later */
    .global _start
_start:
    mov x29, xzr
    bl main
    mov x8, #94
    svc #0
