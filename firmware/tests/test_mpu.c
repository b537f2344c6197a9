/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PMSAv7 MPU: regions, subregions, privilege, XN, background, MemManage (ARM DDI 0403, B3.5). */
#include "check.h"
#include "mem.h"
#include "mps2.h"

#define AREA_SIZE 1024u
#define RASR_SIZE(log2) (((uint32_t)(log2) - 1u) << 1)
#define RASR_ENABLE 1u
#define RASR_SRD(mask) ((uint32_t)(mask) << 8)
#define RASR_NORMAL (3u << 16)
#define RASR_AP(ap) ((uint32_t)(ap) << 24)
#define RASR_XN (1u << 28)
/* AP, table B3-15: privileged/unprivileged */
enum { AP_NONE = 0, AP_RW_NONE = 1, AP_RW_RO = 2, AP_RW_RW = 3, AP_RO_NONE = 5, AP_RO_RO = 6 };

static uint32_t g_area[AREA_SIZE / 4u] __attribute__((aligned(AREA_SIZE)));
static volatile uint32_t g_address;
static volatile bool g_done;

static void Region(uint32_t number, uint32_t base, uint32_t rasr)
{
    MPU_RNR = number;
    MPU_RBAR = base;
    MPU_RASR = rasr;
    CpuBarrier();
}

static void AreaRegion(uint32_t number, uint32_t ap, uint32_t extra)
{
    Region(number, (uint32_t)(uintptr_t)g_area, RASR_SIZE(10) | RASR_ENABLE | RASR_NORMAL | RASR_AP(ap) | extra);
}

static void Off(uint32_t number)
{
    Region(number, 0, 0);
}

static void Control(uint32_t value)
{
    MPU_CTRL = value;
    CpuBarrier();
}

static void Read(void)
{
    (void)Load32(g_address);
    g_done = true;
}

static void Write(void)
{
    Store32(g_address, 0x12345678u);
    CpuBarrier();
    g_done = true;
}

/* SVC 0 gives privilege back; with g_breakPsp it returns by a stack that the MPU forbids. */
volatile uint32_t g_breakPsp;

__attribute__((naked)) void SvcHandler(void)
{
    __asm volatile(
        "ldr r0, =g_breakPsp\n\t"
        "ldr r0, [r0]\n\t"
        "cmp r0, #0\n\t"
        "itt ne\n\t"
        "msrne psp, r0\n\t"
        "bxne lr\n\t"
        "movs r0, #0\n\t"
        "msr control, r0\n\t"
        "isb\n\t"
        "bx lr\n\t"
        ".ltorg");
}

static void Unprivileged(void (*run)(void))
{
    CPU_WRITE_SPECIAL(control, 1);
    run();
    __asm volatile("svc 0" ::: "r0", "memory");
}

static void ReadUnprivileged(void)
{
    Unprivileged(Read);
}

static void WriteUnprivileged(void)
{
    Unprivileged(Write);
}

static void ReadAsUser(void)
{
    __asm volatile("ldrt r1, [%0]" ::"r"(g_address) : "r1", "memory");
}

static void WriteAsUser(void)
{
    __asm volatile("strt %0, [%0]" ::"r"(g_address) : "memory");
}

static void Call(void)
{
    __asm volatile("blx %0" ::"r"(g_address | 1u) : "r0", "r1", "r2", "r3", "r12", "lr", "memory");
}

static void Allowed(const char *name, void (*run)(void), uint32_t offset)
{
    g_address = (uint32_t)(uintptr_t)g_area + offset;
    CheckTrue(name, !TryFault(run));
}

static void Denied(const char *name, void (*run)(void), uint32_t offset)
{
    g_address = (uint32_t)(uintptr_t)g_area + offset;
    memset(&g_fault, 0, sizeof(g_fault));
    bool right = TryFault(run) && g_fault.exception == 4 && g_fault.cfsr == (CFSR_DACCVIOL | CFSR_MMARVALID) &&
        g_fault.mmfar == g_address;
    if (!right) {
        CheckPrint("  %s: exception %u cfsr %08x mmfar %08x\n", name, g_fault.exception, g_fault.cfsr, g_fault.mmfar);
    }
    CheckTrue(name, right);
}

static void TestRegisters(void)
{
    CheckEqual("8 unified regions", MPU_TYPE, 0x800u);
    CheckEqual("off after reset", MPU_CTRL, 0);
    MPU_RBAR = 0x20000000u | 1u << 4 | 5u;
    CheckEqual("rbar with VALID selects the region", MPU_RNR, 5);
    CheckEqual("rbar reads the region back, without VALID", MPU_RBAR, 0x20000005u);
    MPU_RASR = 0x13070F13u;
    CheckEqual("rasr reads back", MPU_RASR, 0x13070F13u);
    REG32(0xE000EDA4u) = 0x20000400u | 1u << 4 | 6u; /* RBAR_A1 */
    REG32(0xE000EDA8u) = 0x03030013u;                /* RASR_A1 */
    MPU_RNR = 6;
    CheckEqual("the aliases write the region they select", MPU_RASR, 0x03030013u);
    Off(5);
    Off(6);
}

static void TestPrivileged(void)
{
    Control(MPU_CTRL_ENABLE | MPU_CTRL_PRIVDEFENA);
    Allowed("background: read", Read, 0);
    Allowed("background: write", Write, 0);
    AreaRegion(0, AP_NONE, 0);
    Denied("no access: read", Read, 0);
    Denied("no access: write", Write, 4);
    Denied("no access: last word", Read, AREA_SIZE - 4u);
    Allowed("behind the region", Read, AREA_SIZE);
    AreaRegion(0, AP_RO_NONE, 0);
    Allowed("read only: read", Read, 0);
    Denied("read only: write", Write, 0);
    AreaRegion(0, AP_RW_NONE, 0);
    Allowed("read write: write", Write, 0);

    AreaRegion(0, AP_NONE, RASR_SRD(0x81));
    Allowed("a disabled subregion falls to the background: first", Read, 0);
    Allowed("its last word", Read, AREA_SIZE / 8u - 4u);
    /* QEMU 7.2 lets the page that a disabled subregion opened stay open for its neighbours. */
    Denied("the next subregion", Read, AREA_SIZE / 8u);
    Allowed("a disabled subregion: last", Read, AREA_SIZE - 4u);

    AreaRegion(0, AP_NONE, 0);
    AreaRegion(3, AP_RW_RW, RASR_SRD(0xF0));
    Allowed("the higher region wins", Write, 0);
    Denied("where its subregions are off the lower one counts", Write, AREA_SIZE / 2u);
    AreaRegion(3, AP_RW_RW, 0);
    AreaRegion(7, AP_RO_RO, 0);
    Denied("and the highest wins again", Write, 0);
    Off(3);
    Off(7);

    __asm volatile("cpsid f" ::: "memory");
    g_done = false;
    g_address = (uint32_t)(uintptr_t)g_area;
    Read();
    __asm volatile("cpsie f" ::: "memory");
    CheckTrue("hfnmiena clear: faultmask goes past the mpu", g_done);

    SHCSR &= ~SHCSR_MEMFAULTENA;
    memset(&g_fault, 0, sizeof(g_fault));
    CheckTrue("memmanage off escalates", TryFault(Read) && g_fault.exception == 3 && g_fault.hfsr == HFSR_FORCED);
    CheckEqual("escalated: mmfar", g_fault.mmfar, g_address);
    SHCSR |= SHCSR_MEMFAULTENA;
    Off(0);
}

static void TestUnprivileged(void)
{
    Region(0, 0, RASR_SIZE(22) | RASR_ENABLE | RASR_NORMAL | RASR_AP(AP_RO_RO));
    Region(1, 0x20000000u, RASR_SIZE(22) | RASR_ENABLE | RASR_NORMAL | RASR_AP(AP_RW_RW) | RASR_XN);
    Control(MPU_CTRL_ENABLE | MPU_CTRL_PRIVDEFENA);
    Allowed("user: read", ReadUnprivileged, 0);
    Allowed("user: write", WriteUnprivileged, 0);
    AreaRegion(2, AP_RW_RO, 0);
    Allowed("user: read of read only", ReadUnprivileged, 0);
    Denied("user: write of read only", WriteUnprivileged, 0);
    Allowed("kernel: write of the same", Write, 0);
    AreaRegion(2, AP_RW_NONE, 0);
    Denied("user: read of kernel's", ReadUnprivileged, 8);
    Allowed("kernel: read of the same", Read, 8);
    Denied("ldrt reads as the user", ReadAsUser, 8);
    Denied("strt writes as the user", WriteAsUser, 12);
    AreaRegion(2, AP_RW_RW, 0);
    Allowed("ldrt where the user may", ReadAsUser, 8);
    Denied("user: the background is the kernel's", ReadUnprivileged, 0x40028000u - (uint32_t)(uintptr_t)g_area);
    Allowed("kernel: the background", Read, 0x40028000u - (uint32_t)(uintptr_t)g_area);
    /* The system space takes no unprivileged access: a BusFault, whatever the MPU says (B3.1.1). */
    g_address = 0xE000ED00u;
    memset(&g_fault, 0, sizeof(g_fault));
    CheckTrue("user: system space faults", TryFault(ReadUnprivileged) && g_fault.exception == 5);
    Off(2);
}

static void TestExecute(void)
{
    static const uint16_t bxLr = 0x4770u;
    g_area[0] = (uint32_t)bxLr << 16 | bxLr;
    CpuBarrier();
    AreaRegion(2, AP_RW_RW, 0);
    g_address = (uint32_t)(uintptr_t)g_area;
    CheckTrue("code in an executable region runs", !TryFault(Call));
    AreaRegion(2, AP_RW_RW, RASR_XN);
    memset(&g_fault, 0, sizeof(g_fault));
    CheckTrue("xn: iaccviol", TryFault(Call) && g_fault.exception == 4 && g_fault.cfsr == CFSR_IACCVIOL);
    CheckEqual("xn: stacked pc is the target", g_fault.frame.pc, (uint32_t)(uintptr_t)g_area);
    AreaRegion(2, AP_NONE, 0);
    memset(&g_fault, 0, sizeof(g_fault));
    CheckTrue("no access is not executable", TryFault(Call) && g_fault.cfsr == CFSR_IACCVIOL);
    Off(2);
}

void PendSvHandler(void)
{
    Trace('P');
}

__attribute__((naked)) static void PendOnForbiddenStack(void)
{
    __asm volatile(
        "ldr r0, =g_area + 512\n\t"
        "msr psp, r0\n\t"
        "movs r0, #2\n\t"
        "ldr r1, =0xE000ED04\n\t"
        "mov r2, #0x10000000\n\t"
        "msr control, r0\n\t"
        "isb\n\t"
        "str r2, [r1]\n\t"
        "dsb\n\t"
        "isb\n\t"
        "b .\n\t"
        ".ltorg");
}

static uint32_t g_processStack[64] __attribute__((aligned(8)));

static void SvcOnPsp(void)
{
    CPU_WRITE_SPECIAL(psp, (uint32_t)(uintptr_t)&g_processStack[64]);
    CPU_WRITE_SPECIAL(control, 2);
    __asm volatile("svc 1" ::: "r0", "r1", "r2", "r3", "r12", "memory");
}

static void TestStacking(void)
{
    static uint32_t rescue[16] __attribute__((aligned(8)));
    AreaRegion(2, AP_NONE, 0);
    SHPR(14) = 0xE0;
    g_faultRescue = (ExceptionFrame *)(void *)rescue;
    memset(&g_fault, 0, sizeof(g_fault));
    bool faulted = TryFault(PendOnForbiddenStack);
    g_faultRescue = 0;
    CheckTrue("mstkerr", faulted && g_fault.exception == 4 && g_fault.cfsr == CFSR_MSTKERR);
    CheckEqual("mstkerr: exc_return", g_fault.excReturn, 0xFFFFFFFDu);
    CheckTrace("mstkerr: the interrupt comes after", "P");

    g_faultRescue = (ExceptionFrame *)(void *)rescue;
    g_breakPsp = (uint32_t)(uintptr_t)g_area + 256u;
    memset(&g_fault, 0, sizeof(g_fault));
    faulted = TryFault(SvcOnPsp);
    g_faultRescue = 0;
    g_breakPsp = 0;
    CheckTrue("munstkerr", faulted && g_fault.exception == 4 && g_fault.cfsr == CFSR_MUNSTKERR);
    CheckEqual("munstkerr: svc is no longer active", g_fault.shcsr & SHCSR_SVCALLACT, 0);
    Off(2);
}

int main(void)
{
    SHCSR = SHCSR_MEMFAULTENA | SHCSR_BUSFAULTENA | SHCSR_USGFAULTENA;
    TestRegisters();
    TestPrivileged();
    TestUnprivileged();
    TestExecute();
    TestStacking();
    Control(0);
    CheckDone();
}
