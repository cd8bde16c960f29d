/** Filters, and what they say of a call. */
import * as Result from "effect/Result"
import type { Seccomp } from "../../src/config/Container.ts"
import { runSeccomp } from "../../src/model/bpfInterpreter.ts"
import { compile, type Compiled } from "../../src/steps/seccomp/compile.ts"
import type { Architecture } from "../../src/steps/seccomp/conventions.ts"

export const X86_64 = 0xc000003e

export const I386 = 0x40000003

export const KILL = 0

export const ALLOW = 0x7fff0000

export const errno = (value: number): number => 0x00050000 + value

export const compiled = (config: Seccomp, machine: Architecture = "x64"): Compiled =>
  Result.getOrThrow(compile(config, machine))

export const verdict = (
  config: Seccomp,
  nr: number,
  args: ReadonlyArray<bigint> = [],
  arch = X86_64,
  machine: Architecture = "x64"
): number => runSeccomp(compiled(config, machine).program, { nr, arch, args })
