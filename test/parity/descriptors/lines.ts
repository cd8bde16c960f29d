/** Words for the scenarios here. */
import { F, LOCK, O } from "../../../src/native/constants.ts"
import { type Line, type Scenario } from "../../support/parityLines.ts"
import { line, open, see } from "../../support/vocabulary.ts"

export const fcntl = (fd: string | number, command: number, argument: unknown = 0, name?: string): Line =>
  line("fcntl", { fd, command, argument }, name === undefined ? see : { see: true, as: name })

export const dup3 = (oldfd: string | number, newfd: string | number, flags = 0): Line =>
  line("dup3", { oldfd, newfd, flags }, see)

export const close = (fd: string | number): Line => line("close", { fd })
export const put = (fd: string | number, data: string): Line => line("write", { fd, data }, see)
export const get = (fd: string | number, count = 100): Line => line("read", { fd, count }, see)

export const flock = (fd: string | number, operation: number): Line =>
  line("flock", { fd, operation: operation | LOCK.NB })

export const isOpen = (fd: string | number): Line => fcntl(fd, F.GETFD)

/** An empty file at 100. */
export const at100: Scenario = [open("f", O.CREAT | O.RDWR, "file", 0o644), dup3("$file", 100), close("$file")]
