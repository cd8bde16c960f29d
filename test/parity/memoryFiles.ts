/** Files in memory: memfd_create(2), and the seals of fcntl(2). */
import { F, F_SEAL, MFD, O } from "../../src/native/constants.ts"
import type { Scenario } from "../support/parityLines.ts"
import { as, chmod, line, open, see } from "../support/vocabulary.ts"

/** `linux/memfd.h`, `linux/fcntl.h`: what the table of constants leaves out. */
const [NOEXEC_SEAL, EXEC, FUTURE_WRITE, SEAL_EXEC] = [8, 0x10, 0x10, 0x20] as const

const create = (flags: number, name = "m"): Scenario[number] => line("memfd_create", { name, flags }, as("m"))
const seals = line("fcntl", { fd: "$m", command: F.GET_SEALS, argument: 0 }, see)
const seal = (argument: number): Scenario[number] => line("fcntl", { fd: "$m", command: F.ADD_SEALS, argument })
const size = (length: bigint): Scenario[number] => line("ftruncate", { fd: "$m", length })
const mode = (bits: number): Scenario[number] => line("fchmod", { fd: "$m", mode: bits })
const text = line("write", { fd: "$m", data: "x" })
const stat = line("statx", { dirfd: "$m", path: "", flags: 0x1000, mask: 0x7ff }, { see: ["mode", "nlink", "size"] })

export const memoryFiles: Readonly<Record<string, Scenario>> = {
  "whether a file in memory may be executed is said, and sealed": [
    0,
    MFD.CLOEXEC,
    MFD.ALLOW_SEALING,
    NOEXEC_SEAL,
    NOEXEC_SEAL | MFD.ALLOW_SEALING,
    EXEC,
    EXEC | MFD.ALLOW_SEALING,
    EXEC | NOEXEC_SEAL,
    0x20,
    21 << 26,
    -1
  ].flatMap((flags) => [create(flags), seals, stat]),
  "a file in memory can do without the cache once it is opened by a path": [
    create(0),
    line("fcntl", { fd: "$m", command: F.SETFL, argument: O.DIRECT }),
    open("/proc/self/fd/$m", O.RDWR, "n"),
    line("fcntl", { fd: "$n", command: F.SETFL, argument: O.DIRECT }),
    line("fcntl", { fd: "$n", command: F.SETFL, argument: 0 })
  ],
  "the name of a file in memory is counted in bytes": [
    create(0, ""),
    create(0, "a/b"),
    create(0, "x".repeat(249)),
    create(0, "x".repeat(250)),
    create(0, "é".repeat(124)),
    create(0, "é".repeat(125))
  ],
  "a file in memory that is no program does not become one": [
    create(NOEXEC_SEAL),
    mode(0o777),
    mode(0o600),
    mode(0o601),
    stat,
    seal(F_SEAL.WRITE),
    text,
    seals,
    create(MFD.ALLOW_SEALING),
    mode(0o644),
    seal(SEAL_EXEC),
    seals,
    mode(0o755),
    text
  ],
  "a program that stays one is not changed any more": [
    create(MFD.ALLOW_SEALING),
    text,
    seal(SEAL_EXEC),
    seals,
    text,
    size(0n),
    mode(0o666),
    mode(0o700),
    mode(0o711),
    create(EXEC),
    seal(SEAL_EXEC),
    seals
  ],
  "seals keep what they are for": [
    create(MFD.ALLOW_SEALING),
    size(10n),
    seal(FUTURE_WRITE),
    seals,
    text,
    size(12n),
    seal(F_SEAL.GROW),
    size(14n),
    size(8n),
    seal(F_SEAL.SHRINK),
    size(8n),
    size(7n),
    seal(0x40),
    seal(-1),
    seal(F_SEAL.SEAL),
    seal(0),
    seals
  ],
  "a file in memory that is opened once more has the same seals": [
    create(MFD.ALLOW_SEALING),
    seal(F_SEAL.WRITE),
    open("/proc/self/fd/$m", O.RDWR, "n"),
    line("write", { fd: "$n", data: "x" }),
    open("/proc/self/fd/$m", O.RDONLY, "n"),
    line("fcntl", { fd: "$n", command: F.ADD_SEALS, argument: 2 }),
    open("/proc/self/fd/$m", 3, "n"),
    line("fcntl", { fd: "$n", command: F.ADD_SEALS, argument: 2 }),
    line("fcntl", { fd: "$n", command: F.GET_SEALS, argument: 0 }, see),
    chmod("/proc/self/fd/$m", 0o600),
    stat
  ]
}
