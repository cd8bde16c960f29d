/** Words for the scenarios here. */
import { AF, F, MSG, POLL, SIG, SOCK } from "../../../src/native/constants.ts"
import { type Bytes, cwd, type Line, type Scenario } from "../../support/parityLines.ts"
import { as, line, see } from "../../support/vocabulary.ts"

/** So many bytes. */
export const many = (byte: string, times: number): Bytes => ({ byte, times })
export const pipe = (name: string, flags: number = 0): Line => line("pipe2", { flags }, as(name))
export const pair = (name: string, type: number): Line => line("socketpair", { type }, as(name))
export const get = (fd: string, count = 100): Line => line("read", { fd, count }, see)
export const put = (fd: string, data: string | Bytes): Line => line("write", { fd, data }, see)

export const send = (fd: string, data: string | Bytes, flags = 0, fds: ReadonlyArray<string | number> = []): Line =>
  line("sendmsg", { fd, data, fds, flags }, see)

/** What came, without the numbers of descriptors. */
export const receive = (fd: string, size = 100, flags: number = MSG.DONTWAIT, name?: string): Line =>
  line("recvmsg", { fd, size, flags }, { see: ["data", "fds.length"], ...name === undefined ? {} : { as: name } })

export const close = (fd: string | number): Line => line("close", { fd })

export const poll = (fds: ReadonlyArray<string | number>, events: number = POLL.IN | POLL.OUT, timeout = 0): Line =>
  line("poll", { fds, events, timeout }, see)

export const shutdown = (fd: string, how: number): Line => line("shutdown", { fd, how })

export const option = (fd: string | number, name: number, value: number): Line =>
  line("setsockopt", { fd, option: name, value })

export const flag = (fd: string, flags: number): Line => line("fcntl", { fd, command: F.SETFL, argument: flags })

export const socket = (name: string, type: number, domain: number = AF.UNIX): Line =>
  line("socket", { domain, type, protocol: 0 }, as(name))

export const ignorePipe = line("rt_sigaction", { signal: SIG.PIPE, disposition: "SIG_IGN" })
export const withPipe = line("rt_sigaction", { signal: SIG.PIPE, disposition: "SIG_DFL" })

export const each = (lines: (type: number) => Scenario): Scenario =>
  [SOCK.STREAM, SOCK.SEQPACKET, SOCK.DGRAM].flatMap(lines)

export const mknod = (path: string, mode: number): Line =>
  line("mknodat", { dirfd: cwd, path, mode, major: 0, minor: 0 })
