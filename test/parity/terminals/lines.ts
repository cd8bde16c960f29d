/** Words for the scenarios here. */
import { O, TIOC } from "../../../src/native/constants.ts"
import { type Line, type Scenario } from "../../support/parityLines.ts"
import { as, line, mkdir, mount, open, see } from "../../support/vocabulary.ts"

export const noctty = O.RDWR | O.NOCTTY
export const close = (fd: string | number): Line => line("close", { fd })
export const unlock = (fd: string, locked = 0): Line => line("ioctl_sptlck", { fd, locked })
export const number = (fd: string): Line => line("ioctl_gptn", { fd }, see)

export const peer = (fd: string, name?: string, flags: number = noctty): Line =>
  line("ioctl", { fd, request: TIOC.GPTPEER, argument: flags }, name === undefined ? {} : as(name))

export const control = (fd: string, argument = 0): Line => line("ioctl", { fd, request: TIOC.SCTTY, argument })
export const giveUp = (fd: string): Line => line("ioctl", { fd, request: TIOC.NOTTY, argument: 0 })
export const size = (fd: string): Line => line("ioctl_gwinsz", { fd }, see)
export const resize = (fd: string, rows: number, columns: number): Line => line("ioctl_swinsz", { fd, rows, columns })
export const get = (fd: string, count = 100): Line => line("read", { fd, count }, see)

/** A write, and the moment that the kernel takes to carry it to the other end (flush_to_ldisc). */
export const put = (fd: string, data: string): Scenario => [
  line("write", { fd, data }, see),
  line("nanosleep", { nanoseconds: 10_000_000n })
]

export const nonblocking = (fd: string): Line => line("fcntl", { fd, command: 4, argument: O.NONBLOCK })

/** An own instance at `pts`, with a master and an unlocked slave. */
export const instance: Scenario = [
  mkdir("pts"),
  mount("devpts", "pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620,gid=5")
]

export const terminal: Scenario = [
  ...instance,
  open("pts/ptmx", noctty, "master"),
  unlock("$master"),
  open("pts/0", noctty, "slave")
]
