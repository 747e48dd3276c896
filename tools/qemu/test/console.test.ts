// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { findKernelWarnings, hasPhantomBreakpoint, kernelMessages } from "../src/index.js";

const faults = [
  "[   12.345678] ------------[ cut here ]------------",
  "[   12.345678] WARNING: CPU: 1 PID: 77 at fs/daxfs/super.c:12 daxfs_fill_super+0x1/0x2 [daxfs]",
  "[   12.345678] WARNING: fs/daxfs/super.c:12 at daxfs_fill_super+0x1/0x2, CPU#1: mount/77",
  "[   12.345678] BUG: kernel NULL pointer dereference, address: 0000000000000008",
  "[   12.345678] BUG: unable to handle page fault for address: ffffc90000ff0000",
  "[   12.345678] kernel BUG at mm/memory.c:2098!",
  "[   12.345678] Oops: 0002 [#1] PREEMPT SMP NOPTI",
  "[   12.345678] invalid opcode: 0000 [#1] PREEMPT SMP NOPTI",
  "[   12.345678] Internal error: Oops: 0000000096000004 [#1] SMP",
  "[   12.345678] general protection fault, probably for non-canonical address 0xdead: 0000 [#1]",
  "[   12.345678] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
  "[   45.678901] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [ls:99]",
  "[   45.678901] NMI watchdog: Watchdog detected hard LOCKUP on cpu 0",
  "[  245.678901] INFO: task mount:71 blocked for more than 120 seconds.",
  "[   45.678901] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
  "[   45.678901] rcu: INFO: rcu_preempt self-detected stall on CPU",
  "[   45.678901] rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 0-... }",
  "[   12.345678] WARNING: possible circular locking dependency detected",
  "[   12.345678] WARNING: possible recursive locking detected",
  "[   12.345678] WARNING: possible irq lock inversion dependency detected",
  "[   12.345678] WARNING: suspicious RCU usage",
  "[   12.345678] WARNING: inconsistent lock state",
  "[   12.345678] WARNING: bad unlock balance detected!",
  "[   12.345678] WARNING: held lock freed!",
  "[   12.345678] WARNING: lock held when returning to user space!",
  "[   12.345678] BUG: KASAN: slab-out-of-bounds in daxfs_lookup+0x1/0x2 [daxfs]",
  "[   12.345678] UBSAN: shift-out-of-bounds in fs/daxfs/inode.c:42:9",
  "[   12.345678] BUG: KFENCE: use-after-free read in daxfs_readdir+0x1/0x2",
  "[   12.345678] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
  "[   12.345678] Call Trace:",
  "[   12.345678] refcount_t: underflow; use-after-free.",
  "[   12.345678] BUG: scheduling while atomic: ls/99/0x00000002",
  "[   12.345678] BUG: sleeping function called from invalid context at mm/slab.h:499",
  "[   12.345678] BUG: Bad page state in process ls  pfn:12345",
  "[   12.345678] VFS: Busy inodes after unmount of none. Self-destruct in 5 seconds.",
  "[   12.345678] BUG daxfs_inode (Not tainted): Objects remaining in daxfs_inode on shutdown",
  "[    0.123456][  T12] WARNING: suspicious RCU usage",
  "unfinished line of a program[    2.345678] Kernel panic - not syncing: sysrq triggered crash",
];

const ordinary = [
  "[    0.000000] Linux version 6.1.0-56-amd64 (gcc-12 (Debian 12.2.0) 12.2.0) #1 SMP",
  "[    0.034567] RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks",
  "[    0.034567] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on",
  "[    0.034567] MDS: Vulnerable: Clear CPU buffers attempted, no microcode",
  '[    1.094748] PCI: If necessary, use "pci=nocrs" and report a bug',
  "[    1.758893] AMD-Vi: AMD IOMMUv2 functionality not available - This is not a bug.",
  "[    1.142376] acpi PNP0A03:00: fail to add MMCONFIG information",
  "[    1.200000] rcu: Hierarchical SRCU implementation.",
  "[    3.140653] daxfs: loading out-of-tree module taints kernel.",
  "[    3.141109] daxfs: module verification failed: signature and/or required key missing",
  "[    4.000000] daxfs: image rejected: bad magic",
  "[    4.000000] traps: test[71] general protection fault ip:401000 sp:7ffe error:0 in test[401000]",
  "[    4.000000] test[72]: segfault at 0 ip 0000000000401000 sp 00007ffe error 4 in test[401000]",
  "WARNING: printed by a program",
  "BUG: printed by a program",
  "Call Trace:",
];

describe("findKernelWarnings", () => {
  it.each(faults)("reports %s", (line) => {
    expect(findKernelWarnings(`before\r\n${line}\r\nafter\r\n`)).toHaveLength(1);
  });

  it.each(ordinary)("passes over %s", (line) => {
    expect(findKernelWarnings(`${line}\n`)).toEqual([]);
  });

  it("leaves out what a program printed before the message", () => {
    expect(findKernelWarnings("text[    1.000000] Oops: 0002 [#1] SMP\n")).toEqual([
      "[    1.000000] Oops: 0002 [#1] SMP",
    ]);
  });
});

describe("kernelMessages", () => {
  it("picks the kernel's lines", () => {
    const log = "SeaBIOS\r\n[    0.000000] one\r\nhello\r\n[    1.000000] two\r\n";
    expect(kernelMessages(log)).toEqual(["[    0.000000] one", "[    1.000000] two"]);
  });
});

describe("hasPhantomBreakpoint", () => {
  const oops = (name: string, code: string) =>
    [
      "[    1.300000] clocksource: Switched to clocksource tsc",
      `[    1.343090] ${name}: 0000 [#1] SMP NOPTI`,
      "[    1.343090] CPU: 1 UID: 0 PID: 1 Comm: swapper/0 Not tainted 7.2.0-amd64",
      "[    1.343090] RIP: 0010:ip_rcv+0x63/0xe0",
      `[    1.343090] Code: ${code}`,
      "[    1.343090] Kernel panic - not syncing: Fatal exception in interrupt",
      "",
    ].join("\r\n");

  it.each(["int3", "Oops: int3"])("knows %s where there is none", (name) => {
    expect(hasPhantomBreakpoint(oops(name, "48 8b 4f 20 66 <90> f7 c1 00"))).toBe(true);
  });

  it("leaves a breakpoint that is there to whoever put it there", () => {
    expect(hasPhantomBreakpoint(oops("int3", "48 8b 4f 20 cc <90> f7 c1 00"))).toBe(false);
  });

  it("leaves other faults", () => {
    expect(hasPhantomBreakpoint(oops("invalid opcode", "48 8b 66 <0f> 0b f7 c1"))).toBe(false);
    expect(hasPhantomBreakpoint("[    1.000000] daxfs: mounted\n")).toBe(false);
  });

  it("leaves what comes after another fault", () => {
    const warning =
      "[    1.200000] WARNING: CPU: 0 PID: 1 at fs/daxfs/super.c:12 f+0x1/0x2 [daxfs]\n";
    expect(hasPhantomBreakpoint(warning + oops("int3", "20 66 <90> f7"))).toBe(false);
  });

  it("leaves code that can't be read", () => {
    expect(hasPhantomBreakpoint(oops("int3", "Unable to access opcode bytes"))).toBe(false);
  });
});
