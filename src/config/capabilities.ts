/**
 * The capabilities of Linux by name and number. @see capabilities(7), linux/capability.h
 *
 * @category capabilities
 * @since 0.1.0
 */

/** Names without `CAP_`, in the order of their numbers: 0 to 40. */
export const names = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE"
] as const

/** A capability's name without `CAP_`. */
export type Name = (typeof names)[number]

/** Numbers by name without `CAP_`: `numbers.CHOWN` is 0. */
export const numbers = Object.fromEntries(names.map((name, number) => [name, number])) as {
  readonly [N in Name]: number
}

/** The highest number that this table knows; the kernel's own is in `/proc/sys/kernel/cap_last_cap`. */
export const last: number = names.length - 1

/** The number of `CAP_CHOWN` or `CHOWN`; `undefined` for an unknown name. */
export const numberOf = (name: string): number | undefined => {
  const bare = name.startsWith("CAP_") ? name.slice(4) : name
  const number = names.indexOf(bare as Name)
  return number === -1 ? undefined : number
}

/** `CAP_CHOWN` for 0; a number without a name as `CAP_41`. */
export const nameOf = (number: number): string => `CAP_${names[number] ?? number}`

/** A set of capabilities as the bit set that capset(2) takes. */
export const toBits = (capabilities: ReadonlyArray<number>): bigint =>
  capabilities.reduce((bits, number) => bits | 1n << BigInt(number), 0n)
