// SPDX-License-Identifier: MIT
import { type DeviceImage, deviceArguments } from "./devices.js";
import type { Kernel } from "./kernels.js";
import { hex, type MemoryLayout } from "./memory.js";

/** What a virtual machine is started with. */
export interface MachineOptions {
  kernel: Kernel;
  initramfs: string;
  memory: MemoryLayout;
  /** Images in the memory of devices. */
  devices: readonly DeviceImage[];
  cpus: number;
  /** Further kernel parameters. */
  commandLine: readonly string[];
  /** Further QEMU arguments. */
  qemuArguments: readonly string[];
  /** The -serial arguments: the console and, if the guest reports, the port for that. */
  serialPorts: readonly string[];
}

const KERNEL_PARAMETERS = [
  "console=ttyS0",
  // Down to informational messages, with the time stamps that mark them as the kernel's.
  "loglevel=7",
  "printk.time=1",
  // The same addresses in every run, and a kernel that stays below the images.
  "nokaslr",
  // The same for programs: QEMU keeps what it has translated by virtual address, and would translate
  // the dynamic linker and the C library again for each program that is started.
  "norandmaps",
  // The check at boot that timer interrupts come panics where the host gives QEMU no time meanwhile.
  "no_timer_check",
  // A fault ends the run at once: panic, and QEMU exits instead of rebooting.
  "panic=-1",
  "oops=panic",
  "softlockup_panic=1",
  "sysctl.kernel.hung_task_panic=1",
];

/** Arguments for qemu-system-x86_64. Emulation only, so that it works without /dev/kvm. */
export function qemuArguments(options: MachineOptions): string[] {
  const { images, totalMib } = options.memory;
  const reservations = images.map(
    ({ reserved }) => `memmap=${hex(reserved.size)}$${hex(reserved.start)}`,
  );
  const loaders = images.flatMap(({ path, physicalAddress }) => [
    "-device",
    // QEMU takes a doubled comma for one in the name.
    `loader,file=${path.replaceAll(",", ",,")},addr=${hex(physicalAddress)},force-raw=on`,
  ]);
  const { machine, plugged, devices } = deviceArguments(options.devices);
  const room = `slots=${plugged.slots},maxmem=${totalMib * 1024 * 1024 + plugged.size}`;
  const parameters = [...KERNEL_PARAMETERS, ...reservations, ...options.commandLine];
  return [
    ["-machine", ["pc", ...machine].join(",")],
    ["-accel", "tcg"],
    // Without page tables of five levels: while the kernel finds out about them at boot, KASAN of 6.1
    // takes an interrupt that comes just then for a fault.
    ["-cpu", "max,-la57"],
    ["-smp", String(options.cpus)],
    ["-m", plugged.slots === 0 ? `${totalMib}M` : `${totalMib}M,${room}`],
    ["-nodefaults", "-no-user-config", "-no-reboot"],
    ["-display", "none"],
    ["-kernel", options.kernel.vmlinux ?? options.kernel.image],
    ["-initrd", options.initramfs],
    ["-append", parameters.join(" ")],
    options.serialPorts.flatMap((port) => ["-serial", port]),
    loaders,
    devices,
    options.qemuArguments,
  ].flat();
}
