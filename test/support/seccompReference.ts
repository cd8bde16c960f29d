/** libseccomp's answers, by way of the program `seccompReference.c`: what it makes of filters, and what it says it makes. */
import * as childProcess from "node:child_process"
import type { Seccomp } from "../../src/config/Container.ts"
import { runSeccomp, type SyscallData } from "../../src/model/bpfInterpreter.ts"

const actions: Readonly<Record<string, number>> = {
  KILL: 0,
  KILL_PROCESS: 0x80000000,
  TRAP: 0x00030000,
  ERRNO: 0x00050000,
  TRACE: 0x7ff00000,
  LOG: 0x7ffc0000,
  ALLOW: 0x7fff0000
}
const operators = ["", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]

/** What a filter returns for an action of a profile. */
const returnedFor = (action: string, errnoRet = 1): number => {
  const name = action.replace("SCMP_ACT_", "")
  return actions[name]! + (name === "ERRNO" || name === "TRACE" ? errnoRet : 0)
}

/** A profile as runc gives it to libseccomp: rules that repeat the default are left out, conditions on one argument split. */
const linesOf = ({ architectures, defaultAction, defaultErrnoRet, syscalls }: Seccomp): string => {
  const byDefault = returnedFor(defaultAction, defaultErrnoRet)
  const lines = syscalls.flatMap(({ action, args, errnoRet, names }) => {
    const value = returnedFor(action, errnoRet)
    if (value === byDefault) return []
    const alternatives = new Set(args.map(({ index }) => index)).size < args.length
    return names.flatMap((name) =>
      (alternatives ? args.map((one) => [one]) : [args]).map((conditions) => {
        const words = conditions.flatMap(({ index, op, value, valueTwo }) => [
          index,
          operators.indexOf(op.replace("SCMP_CMP_", "")),
          value,
          valueTwo
        ])
        return `rule ${value.toString(16)} ${name} ${conditions.length} ${words.join(" ")}`
      })
    )
  })
  const archs = architectures.map((name) => name.replace("SCMP_ARCH_", "").toLowerCase())
  return [`filter ${byDefault.toString(16)} ${archs.join(" ")}`, ...lines, "end"].join("\n")
}

type Verdict = (call: SyscallData) => number

/** What libseccomp does with a profile: refuses it, or makes a program, which may not be what it says it is. */
export type Reference = { readonly program: Verdict; readonly pseudo: Verdict } | undefined

interface Statement {
  /** What is asked; of `action KILL;` the value that is returned. */
  readonly test: string
  readonly value: number | undefined
  readonly yes: ReadonlyArray<Statement>
  no: ReadonlyArray<Statement>
}

const actionOf = (text: string): number => {
  const [, name, value] = /^(\w+?)(?:\((\d+)\))?$/.exec(text)!
  return actions[name!]! + Number(value ?? 0)
}

const parsed = (lines: ReadonlyArray<string>): ReadonlyArray<Statement> => {
  const depth = (line: string): number => line.search(/\S/)
  const statements: Array<Statement> = []
  for (let at = 0; at < lines.length;) {
    const line = lines[at++]!
    const from = at
    while (at < lines.length && depth(lines[at]!) > depth(line)) at++
    const inner = parsed(lines.slice(from, at))
    const text = line.trim()
    if (text === "else") statements.at(-1)!.no = inner
    else {
      const action = /^action (.*);$/.exec(text)
      statements.push({ test: text, value: action === null ? undefined : actionOf(action[1]!), yes: inner, no: [] })
    }
  }
  return statements
}

const holds = (test: string, { arch, args, nr }: SyscallData): boolean => {
  const bare = test.replaceAll(/[()]|^if /g, "")
  const [, left, mask, operator, right] = /^\$([\w.]+)(?: & (\w+))? (==|>=|>) (\d+)$/.exec(bare)!
  const argument = /^a(\d)(\.hi32)?/.exec(left!)
  const whole = left === "arch" ? BigInt(arch) : argument === null ? BigInt(nr) : args[Number(argument[1])] ?? 0n
  const value = BigInt.asUintN(32, argument?.[2] === undefined ? whole : whole >> 32n) & BigInt(mask ?? 0xffffffff)
  const wanted = BigInt.asUintN(32, BigInt(right!))
  return operator === "==" ? value === wanted : operator === ">" ? value > wanted : value >= wanted
}

const returned = (statements: ReadonlyArray<Statement>, call: SyscallData): number | undefined => {
  for (const { no, test, value, yes } of statements) {
    const found = value ?? returned(holds(test, call) ? yes : no, call)
    if (found !== undefined) return found
  }
  return undefined
}

/** Asks libseccomp. @param path the compiled `seccompReference.c` */
export const askReference = (path: string, profiles: ReadonlyArray<Seccomp>): ReadonlyArray<Reference> => {
  const { stdout } = childProcess.spawnSync(path, {
    input: `${profiles.map(linesOf).join("\n")}\n`,
    encoding: "utf8",
    maxBuffer: 1 << 28
  })
  const answers: Array<Reference> = []
  let pseudo: ReadonlyArray<Statement> = []
  for (const line of stdout.trimEnd().split("\n")) {
    const [what, rest] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]
    if (what === "refused") answers.push(undefined)
    else if (what === "pseudo") pseudo = parsed(rest.split("|").filter((text) => /^ *[^ #]/.test(text)))
    else {
      const [program, statements] = [Uint8Array.from(Buffer.from(rest, "hex")), pseudo]
      answers.push({
        program: (call) => runSeccomp(program, call),
        pseudo: (call) => returned(statements, call)!
      })
    }
  }
  return answers
}
