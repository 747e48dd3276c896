// SPDX-License-Identifier: MIT

/** A kernel message on the console; a program's unfinished line may stand before it. */
const MESSAGE = /\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? (.*)$/;

/**
 * What the kernel prints when something is wrong with it. "WARNING:" counts only at the start of a
 * message: in the middle it is a remark, such as "RETBleed: WARNING: Spectre v2 mitigation …" at
 * boot.
 */
const PATTERNS: readonly RegExp[] = [
  /^-+\[ cut here \]-+/,
  /^WARNING: /,
  /\bBUG: /,
  /\bkernel BUG at\b/,
  /\bOops\b/,
  /\bInternal error\b/,
  // The same words in the middle of a message, "traps: NAME general protection fault", are about a
  // program.
  /^general protection fault\b/,
  // What every kind of oops has behind its name: "invalid opcode: 0000 [#1] PREEMPT SMP".
  /: [0-9a-f]{4} \[#\d+\]/,
  /\bKernel panic\b/,
  /\b(?:soft|hard) lockup\b/i,
  /\bblocked for more than \d+ seconds\b/,
  /\brcu.*\b(?:detected|self-detected) stall/,
  /\brcu.*\bdetected expedited stalls\b/,
  /\brcu.*\bkthread starved\b/,
  /\bpossible (?:circular|recursive|irq) lock/,
  /\bpossible (?:irq|deadlock)\b.*\bdetected\b/,
  /\bsuspicious RCU usage\b/,
  /\binconsistent lock state\b/,
  /\bbad unlock balance\b/,
  /\bheld lock freed\b/,
  /\block held (?:when returning|at task exit)\b/,
  /\b(?:INFO: )?lockdep is turned off\b/,
  /\bDEBUG_LOCKS_WARN_ON\b/,
  /\bINFO: trying to register non-static key\b/,
  /\bKASAN: /,
  /\bUBSAN: /,
  /\bKCSAN: /,
  /\bKFENCE: /,
  /\bkmemleak: .*new suspected memory leaks\b/,
  /\bCall Trace:/,
  /\brefcount_t: /,
  /\bscheduling while atomic\b/,
  /\bsleeping function called from invalid context\b/,
  /\bBad page (?:state|map)\b/,
  /\bunable to handle (?:kernel )?(?:page fault|NULL pointer|paging request)/,
  /\bslab.*\b(?:Redzone|Poison|Object already free|Padding) overwritten\b/i,
  /\bObjects remaining in\b/,
  /\bVFS: Busy inodes after unmount\b/,
];

/** Kernel messages in a console log, without anything programs printed, in order. */
export function kernelMessages(log: string): string[] {
  return log
    .split(/\r*\n/)
    .map((line) => MESSAGE.exec(line)?.[0])
    .filter((line) => line !== undefined);
}

/**
 * Kernel messages in a console log that report a fault in the kernel: oopses, warnings, lockups,
 * stalls, reports of lockdep, KASAN and their like. Lines that programs print don't count.
 */
export function findKernelWarnings(log: string): string[] {
  return kernelMessages(log).filter((line) => {
    const text = MESSAGE.exec(line)?.[1] ?? "";
    return PATTERNS.some((pattern) => pattern.test(text));
  });
}

/**
 * Whether what went wrong first is a breakpoint that QEMU ran although memory had none: the oops of
 * an int3, in whose code the byte before the instruction pointer is no 0xcc. Kernels patch their own
 * code by way of breakpoints; the emulation (seen with QEMU 7.2) may translate code while another
 * processor writes to it, and run the old code afterwards
 * (https://bugzilla.redhat.com/show_bug.cgi?id=2216496). A module that goes wrong does not look so,
 * unless it prints such lines itself.
 */
export function hasPhantomBreakpoint(log: string): boolean {
  const [first] = findKernelWarnings(log);
  if (first === undefined || !/\bint3: [0-9a-f]{4} \[#1\]/.test(first)) return false;
  const messages = kernelMessages(log);
  const code = messages.slice(messages.indexOf(first)).find((message) => /\] Code: /.test(message));
  const before = /([0-9a-f]{2}) <[0-9a-f]{2}>/.exec(code ?? "")?.[1];
  return before !== undefined && before !== "cc";
}
