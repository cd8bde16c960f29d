/**
 * Which calls of a start a seccomp filter refuses, if it is loaded before the start is over.
 *
 * Without `noNewPrivileges` a filter is loaded while CAP_SYS_ADMIN is there, and what the init does after that must pass
 * it. A filter that forbids some of it is legal. The start then fails and nothing says why, since to report an error takes
 * calls, too.
 *
 * @see seccomp(2), OCI config-linux.md#seccomp
 * @category seccomp
 * @since 0.2.0
 */
import type { Container, Process, Seccomp } from "../../config/Container.ts"
import type * as Pipeline from "../../engine/Pipeline.ts"
import { rowOf } from "../../native/calls.ts"
import type { CallName } from "../../native/Kernel.ts"

/** The name of the step after which a filter is in force. */
export const filterStep = "loadSeccompBeforeUser"

/** A call as the kernel and a filter name it. */
export const kernelNames = (call: CallName): ReadonlyArray<string> =>
  (rowOf(call).syscalls ?? [{}]).map(({ name = call }) => name)

const allowing: ReadonlySet<string> = new Set(["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"])

/** Whether a filter refuses a call, whatever its arguments are. */
export const refuses = ({ defaultAction, syscalls }: Seccomp, call: string): boolean => {
  const rules = syscalls.filter(({ names }) => names.includes(call))
  return rules.length === 0
    ? !allowing.has(defaultAction)
    : rules.every(({ action, args }) => args.length === 0 && !allowing.has(action))
}

/** What a process that makes a start's calls does besides: it waits for them, and ends. */
const ownCalls = ["futex", "exit_group"]

/** The filter that is in force before the start is over; absent if there is none, or none then. */
export const earlyFilter = ({ seccomp }: Container, { noNewPrivileges }: Process): Seccomp | undefined =>
  noNewPrivileges ? undefined : seccomp

/** The calls that a start makes after the filter is loaded and that the filter refuses, by the kernel's names. */
export const refusedCalls = (seccomp: Seccomp, pipeline: Pipeline.Any): ReadonlyArray<string> => {
  const at = pipeline.steps.findIndex(({ name }) => name === filterStep)
  const later = at < 0 ? [] : pipeline.steps.slice(at + 1).flatMap(({ calls }) => calls.flatMap(kernelNames))
  return [...new Set([...ownCalls, ...later])].filter((call) => refuses(seccomp, call))
}
