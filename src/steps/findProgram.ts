/**
 * Find the program: `args[0]` as it is if it has a slash, otherwise in the directories of the `PATH` that the program will
 * have. A missing program is an error of the start, with the exit status of a shell: 127, or 126 if it may not be executed.
 *
 * It comes after everything that decides what the process may reach, so it looks as the program's user, in its directory.
 *
 * @see execvp(3), POSIX "Command Search and Execution"
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { AT, AT_FACCESSAT, S, STATX } from "../native/constants.ts"
import * as Files from "../native/Files.ts"
import type { AnyUid } from "../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"
import type { Stat } from "../native/results.ts"
import { Environment, ExecUser, Program, VerifiedDirectory } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** The program is there and can't be executed. Its exit status is 126, as in a shell. */
export class ProgramNotExecutable extends Data.TaggedError("ProgramNotExecutable")<{
  /** `args[0]`. */
  readonly name: string
  /** Where it was found. */
  readonly path: string
  readonly problem: string
  readonly uid: AnyUid
}> {
  readonly exitCode = 126
  override get message(): string {
    return `the program ${this.path} can't be executed by uid ${this.uid}: ${this.problem}`
  }
  get advice(): string {
    if (this.problem === own) return "such a link leads each process to its own program: let it lead to another file"
    return this.problem === "permission denied"
      ? `give uid ${this.uid} execute permission on the file and search permission on its directories, ` +
        "and look for a noexec mount"
      : "process.args[0] must name a program"
  }
}

/** There is no such program. Its exit status is 127, as in a shell. */
export class ProgramNotFound extends Data.TaggedError("ProgramNotFound")<{
  /** `args[0]`. */
  readonly name: string
  /** The `PATH` that was searched; empty if it is not set, `null` if the name is a path. */
  readonly searched: string | null
  /** Directories of it that could not be searched. */
  readonly unsearched: ReadonlyArray<string>
}> {
  readonly exitCode = 127
  override get message(): string {
    const { name, searched } = this
    if (searched === null) return `the program ${JSON.stringify(name)} does not exist in the container`
    if (searched === "") return `the program ${JSON.stringify(name)} can't be looked up: PATH is not set`
    return `the program ${JSON.stringify(name)} is in no directory of PATH=${searched}` +
      (this.unsearched.length === 0 ? "" : `, of which ${this.unsearched.join(", ")} can't be searched`)
  }
  get advice(): string {
    if (this.searched === null) return "check process.args[0] against the container's root file system"
    return this.searched === ""
      ? "set PATH in process.env, or give the program by its absolute path"
      : "check PATH in process.env and the container's root file system, or give the program by its absolute path"
  }
}

const X_OK = 1

/** The problem of a program that is the file which this process runs, and no file of the container. */
const own = "it leads to /proc/self/exe, which is the start itself"

type Finding =
  | "executable"
  | "absent"
  | "not a regular file"
  | "permission denied"
  | "too many symbolic links"
  | typeof own

/** Whether a file without a name is the one that this process runs: executed again, it would end without a message. */
const isOwn = (found: Stat): Effect.Effect<boolean, SyscallError, Kernel> =>
  sys.statx({ dirfd: AT.FDCWD, path: "/proc/self/exe", flags: 0, mask: STATX.INO }).pipe(
    Effect.map((running) => Ahead.isSame(running, found, "ino") && Ahead.isSame(running, found, "dev")),
    orOn(["ENOENT", "ENOTDIR", "EACCES"], false)
  )

/** Where most programs are. */
const usual = ["/bin/", "/usr/bin/"]

const look = Effect.fnUntraced(
  function*(path: string, isThere = true): Effect.fn.Return<Finding, SyscallError, Kernel> {
    // a directory passes the check of permissions
    const found = sys.statx({ dirfd: AT.FDCWD, path, flags: 0, mask: STATX.TYPE | STATX.NLINK | STATX.INO })
    const stat = yield* isThere ? found : Ahead.likelyFails("ENOENT")(found)
    if (!Files.isType(stat, S.IFREG)) return "not a regular file"
    if (Ahead.is(stat, "nlink", 0, { likely: false }) && (yield* isOwn(stat))) return own
    yield* sys.faccessat2({ dirfd: AT.FDCWD, path, mode: X_OK, flags: AT_FACCESSAT.EACCESS })
    return "executable" as Finding
  },
  orOn<Finding>(["ENOENT", "ENOTDIR"], "absent"),
  Effect.catchIf(
    ({ call, code }) => code === "EACCES" && call._tag === "faccessat2",
    () => Effect.succeed<Finding>("permission denied")
  )
)

/** Errors of one directory of the `PATH`, after which the search continues in the others. */
const ofDirectory: ReadonlySet<SyscallError["code"]> = new Set<SyscallError["code"]>([
  "EACCES",
  "ELOOP",
  "ENAMETOOLONG",
  "ENODEV",
  "ENXIO",
  "EIO",
  "ESTALE",
  "ETIMEDOUT"
])

/** Looks into a directory of the `PATH`; if it can't be searched, the program is not there. */
const lookIn = (path: string): Effect.Effect<Finding | "unsearchable", SyscallError, Kernel> =>
  Effect.catchIf(
    look(path, usual.some((directory) => path.startsWith(directory))),
    ({ call, code }) => call._tag === "statx" && ofDirectory.has(code),
    () => Effect.succeed("unsearchable" as const)
  )

/** Where `name` may be: an empty directory of the `PATH` is the current one. */
const candidates = (name: string, path: string | undefined): ReadonlyArray<string> => {
  if (name.includes("/")) return [name]
  if (name === "" || path === undefined || path === "") return []
  return path.split(":").map((directory) => `${directory === "" ? "." : directory}/${name}`)
}

/** Finds `args[0]`. */
export const findProgram = Step.make("findProgram", {
  doc: "find the program that args[0] names",
  calls: ["statx", "faccessat2"],
  requires: [Init, Environment, ExecUser, VerifiedDirectory],
  provides: Program,
  reversal: "harmless",
  deterministic: true,
  run: Effect.gen(function*() {
    const { process } = yield* Init
    const { path } = yield* Environment
    const { uid } = yield* ExecUser
    const name = process.args[0] ?? ""
    const isPath = name.includes("/")
    let refused: { readonly path: string; readonly problem: Finding } | undefined
    const unsearched: Array<string> = []
    for (const candidate of candidates(name, path)) {
      const finding = isPath
        ? yield* look(candidate).pipe(
          orOn<Finding>(["EACCES"], "permission denied"),
          orOn<Finding>(["ELOOP"], "too many symbolic links")
        )
        : yield* lookIn(candidate)
      if (finding === "executable") return { path: candidate }
      if (finding === "unsearchable") unsearched.push(candidate.slice(0, -name.length - 1))
      else if (finding !== "absent") refused ??= { path: candidate, problem: finding }
    }
    if (refused !== undefined) return yield* new ProgramNotExecutable({ name, ...refused, uid })
    return yield* new ProgramNotFound({ name, searched: isPath ? null : path ?? "", unsearched })
  })
})
