/**
 * What the kernel says of the signals of a process, in `/proc/<pid>/status`.
 *
 * @see proc_pid_status(5)
 * @category procfs
 * @since 0.2.0
 */

/** A set of signals, by its name there: pending for a thread and for the process, blocked, ignored, caught. */
export type SignalSet = "SigPnd" | "ShdPnd" | "SigBlk" | "SigIgn" | "SigCgt"

/** Whether any of these sets holds a signal, as the text of `/proc/<pid>/status` has them. */
export const holdsSignal = (status: string, signal: number, ...sets: ReadonlyArray<SignalSet>): boolean =>
  sets.some((name) => {
    const set = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1]
    return set !== undefined && (BigInt(`0x${set}`) & (1n << BigInt(signal - 1))) !== 0n
  })
