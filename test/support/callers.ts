/** Callers of the runtime, and a kernel that answers the questions about them. */
import { toBits } from "../../src/config/capabilities.ts"
import { numbers } from "../../src/config/capabilities.ts"
import type { Authority, CapabilityName } from "../../src/steps/caller/authority.ts"

const all = toBits(Object.values(numbers))

/** Some capabilities as a bit set. */
export const capabilities = (...names: ReadonlyArray<CapabilityName>): bigint =>
  toBits(names.map((name) => numbers[name]))

/** Root of the host. */
export const root: Authority = { uid: 0, gid: 0, capabilities: all, initial: true }

/** A user of the host without privileges. */
export const user = (id: number): Authority => ({ uid: id, gid: id, capabilities: 0n, initial: true })

/** Root of a user namespace (`unshare -Ur`): all capabilities, none of them over the host. */
export const nestedRoot: Authority = { ...root, initial: false }

/** Root of a container with the capabilities that podman gives. */
export const containedRoot: Authority = {
  ...root,
  capabilities: capabilities(
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT"
  )
}
