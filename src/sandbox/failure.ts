/** What a start or an end has failed with, in the words of this module. */
import * as Cause from "effect/Cause"
import { ConfigError } from "../config/ConfigError.ts"
import { given } from "../engine/given.ts"
import { innermost, PipelineError } from "../engine/PipelineError.ts"
import type { Resolved } from "./decode.ts"
import { InvalidSandbox, type SandboxError, SandboxFailed, SandboxUnavailable } from "./SandboxError.ts"

const own = new Set(["InvalidSandbox", "SandboxUnavailable", "SandboxFailed"])

const textOf = (value: unknown, key: "advice" | "code" | "_tag"): string | undefined => {
  const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined
  return typeof found === "string" ? found : undefined
}

/** The steps on the way to an error, that error, and the advice that is nearest to it. */
const unfold = (
  error: unknown
): { readonly steps: ReadonlyArray<string>; readonly root: unknown; readonly advice?: string } => {
  if (!(error instanceof PipelineError)) {
    return { steps: [], root: error, ...given({ advice: textOf(error, "advice") }) }
  }
  const { path, reason } = error
  const advice = textOf(reason, "advice") ?? innermost(error).advice ?? error.advice
  return { steps: path.flatMap(({ pipeline, step }) => [pipeline, step]), root: reason, ...given({ advice }) }
}

/** The steps that make the cgroup, and set its limits. */
const ofCgroup = new Set(["createCgroup", "limitCgroup", "limitCpuTime"])

/** What a configuration has under another name; for a reader of JavaScript, `process.env` would be the application's own. */
const words: Readonly<Record<string, string>> = {
  "process.args[0]": "the command",
  "process.cwd": "cwd",
  "process.env": "env",
  "process.user": "user",
  "process.capabilities": "capabilities",
  "process.rlimits": "limits",
  "linux.maskedPaths": "hidden",
  "linux.readonlyPaths": "workspace.readOnly",
  "linux.resources": "limits",
  "linux.seccomp": "seccomp",
  "root.path": "root"
}

const inWordsOfDescription = (advice: string): string =>
  Object.entries(words).reduce((text, [document, description]) => text.replaceAll(document, description), advice)

/** The error of a cause in the words of this module. */
export const failureOf = (
  cause: Cause.Cause<unknown>,
  { inCgroup }: Pick<Resolved, "inCgroup"> = { inCgroup: [] }
): SandboxError => {
  const error = Cause.squash(cause)
  const tag = textOf(error, "_tag")
  if (tag !== undefined && own.has(tag)) return error as SandboxError
  if (error instanceof ConfigError) return new InvalidSandbox({ problems: error.problems })
  const { advice, root, steps } = unfold(error)
  const message = root instanceof Error ? root.message : String(root)
  if (inCgroup.length > 0 && steps.some((step) => ofCgroup.has(step))) {
    return new SandboxUnavailable({
      what: inCgroup,
      why: message,
      advice: (textOf(root, "code") === "EROFS"
        ? "have the container in which this runs started with cgroups that it may write (podman, docker: --privileged)"
        : "run as root, or in a cgroup that is delegated to the caller (systemd-run --user --scope -p Delegate=yes)") +
        ", or say ifPossible(…) of the limit, if the program may run without it",
      cause: error
    })
  }
  return new SandboxFailed({
    step: steps.join("/"),
    code: textOf(root, "code") ?? textOf(root, "_tag") ?? "UNKNOWN",
    problem: message,
    ...(advice === undefined ? {} : { advice: inWordsOfDescription(advice) }),
    cause: error
  })
}

/** What an act fails with if its sandbox has ended, or is about to: the errors for what is not there any more. */
const gone = new Set(["CgroupGone", "ContainerNotFound"])

/**
 * Replaces the failure of an act by its reason, if the sandbox was closed or has ended. While it is closed, it is frozen, which
 * is no pause, and its parts disappear one by one: so an act may fail in any way.
 */
export const sinceItsEnd =
  ({ id, isClosing }: { readonly id: string; readonly isClosing: () => boolean }) =>
  (cause: SandboxError): SandboxError =>
    cause instanceof SandboxFailed && (isClosing() || gone.has(cause.code))
      ? new SandboxFailed({
        step: "",
        code: "NotRunning",
        problem: isClosing() ? `the sandbox ${id} was closed` : `the sandbox ${id} has ended`,
        cause
      })
      : cause
