/**
 * Find the program: `args[0]` as it is where it has a slash, else in the directories of the `PATH` that the program will
 * have. A program that is not there is an error of the start, with the exit status that a shell gives: 127, or 126 where
 * it may not be executed.
 *
 * It stands behind everything that decides what the process may reach: as the program's user, in its directory.
 *
 * @see execvp(3), POSIX "Command Search and Execution"
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { AT, AT_FACCESSAT, S, STATX } from "../native/constants.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"
import { ProgramNotExecutable, ProgramNotFound } from "./errors.ts"
import { Environment, ExecUser, Program, VerifiedDirectory } from "./facts.ts"
import { Init } from "./Init.ts"

const X_OK = 1

type Finding = "executable" | "absent" | "not a regular file" | "permission denied"

const look = (path: string): Effect.Effect<Finding, SyscallError, Kernel> =>
  Effect.gen(function*() {
    // a directory passes the check of permissions
    const { mode } = yield* sys.statx({ dirfd: AT.FDCWD, path, flags: 0, mask: STATX.TYPE })
    if ((mode & S.IFMT) !== S.IFREG) return "not a regular file"
    yield* sys.faccessat2({ dirfd: AT.FDCWD, path, mode: X_OK, flags: AT_FACCESSAT.EACCESS })
    return "executable" as Finding
  }).pipe(
    orOn<Finding>(["ENOENT", "ENOTDIR"], "absent"),
    orOn<Finding>(["EACCES"], "permission denied")
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
  run: Effect.gen(function*() {
    const { process } = yield* Init
    const { path } = yield* Environment
    const { uid } = yield* ExecUser
    const name = process.args[0] ?? ""
    let refused: { readonly path: string; readonly problem: Finding } | undefined
    for (const candidate of candidates(name, path)) {
      const finding = yield* look(candidate)
      if (finding === "executable") return { path: candidate }
      if (finding !== "absent") refused ??= { path: candidate, problem: finding }
    }
    if (refused !== undefined) return yield* new ProgramNotExecutable({ name, ...refused, uid })
    return yield* new ProgramNotFound({ name, searched: name.includes("/") ? null : path ?? "" })
  })
})
