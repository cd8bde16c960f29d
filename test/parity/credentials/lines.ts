/** Words for the scenarios here. */
import { PR } from "../../../src/native/constants.ts"
import { line, lookAt, prctl } from "../../support/vocabulary.ts"

export const setuid = (ruid: number, euid: number, suid: number) => line("setresuid", { ruid, euid, suid })
export const setgid = (rgid: number, egid: number, sgid: number) => line("setresgid", { rgid, egid, sgid })

/** Ids, groups and capability sets, as /proc shows them. */
export const status = lookAt("/proc/self/status", /^(Uid|Gid|Groups|Cap\w+|NoNewPrivs):/)
export const CAP = { KILL: 5, SETGID: 6, SETUID: 7, SETPCAP: 8, NET_BIND: 10, CHROOT: 18, SYS_ADMIN: 21 } as const
export const securebits = (bits: number) => prctl(PR.SET_SECUREBITS, bits)
export const [NOROOT, NO_FIXUP, KEEP, NO_AMBIENT] = [1, 4, 16, 64] as const
