/** Words for the scenarios here. */
import { CLONE } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { fork, line, mount, see } from "../../support/vocabulary.ts"

export const pid = line("getpid", {}, see)
export const ppid = line("getppid", {}, see)
export const unshare = (flags: number) => line("unshare", { flags })
export const setns = (fd: string, nstype = 0) => line("setns", { fd, nstype })
export const proc = mount("proc", "/proc", "proc", 0)
export const readlink = (path: string) => line("readlinkat", { dirfd: cwd, path })

export const wait = (idtype: number, id: number | string, options: number) =>
  line("waitid", { idtype, id, options }, { see: ["pid", "code", "status"] })

/** As process 2 of a pid namespace, with its /proc. */
export const inside = (lines: Scenario): Scenario => [fork(CLONE.NEWPID, [fork(0, [proc, ...lines])])]
