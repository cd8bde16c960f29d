/** `--allow` and `--workspace`: which hosts a program reaches, and which directory of the host it works in. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { makesNamespace } from "../config/Container.ts"
import { bytesOf } from "../config/shape/quantity.ts"
import { visibleLine } from "../engine/visible.ts"
import type { Kernel, SyscallError } from "../native/Kernel.ts"
import { stateRoot as usualStateRoot } from "../runtime/caller.ts"
import { idsBefore } from "../runtime/lookUpUser.ts"
import { OptionError } from "../runtime/OptionError.ts"
import type * as Runtime from "../runtime/Runtime.ts"
import { printError } from "../runtime/streams.ts"
import { ownHome } from "../sandbox/decode/environment.ts"
import { bound, defaultTmpfs, emptied, inMemory, privately } from "../sandbox/decode/mounts.ts"
import { hostSecrets } from "../sandbox/decode/root.ts"
import { holdsStates } from "../sandbox/decode/states.ts"
import type { Connection } from "../sandbox/network/Connection.ts"
import { type Door, makeDoor, proxyVariables } from "../sandbox/network/door.ts"
import { type Rule, ruleForm, ruleOf } from "../sandbox/network/rules.ts"
import { hasHome, usualHome, workspaceDescription } from "../sandbox/workspace.ts"
import { find } from "../sandbox/workspace/find.ts"
import { placeholders } from "../sandbox/workspace/placeholders.ts"
import { hostTree } from "../sandbox/workspace/tree.ts"
import type { StateRootError } from "../steps/caller/stateRoot.ts"

/** What these options can say. */
export interface Confinement {
  readonly allow?: ReadonlyArray<string>
  readonly workspace?: string
  readonly detach?: boolean
  readonly cwd?: string
}

const refuse = (option: string, value: string, rule: string): Effect.Effect<never, OptionError> =>
  Effect.fail(new OptionError({ option, value, rule }))

const rulesOf = ({ allow = [] }: Confinement): Effect.Effect<ReadonlyArray<Rule>, OptionError> =>
  Effect.forEach(allow, (text) => {
    const rule = ruleOf(text)
    return rule === undefined ? refuse("--allow", text, ruleForm) : Effect.succeed(rule)
  })

const withAllow = (options: Runtime.RunOptions, command: Confinement): Effect.Effect<Runtime.RunOptions, OptionError> =>
  Effect.gen(function*() {
    const { allow = [], detach } = command
    const [first] = allow
    if (first === undefined) return options
    yield* rulesOf(command)
    const { container } = options
    if (detach === true) return yield* refuse("--allow", first, "needs a runfx that runs the proxy: leave out --detach")
    const other = container.networks.find(({ strategy }) => strategy !== "loopback")
    if (!makesNamespace(container, "net") || container.networks.length === 0) {
      return yield* refuse(
        "--allow",
        first,
        "needs a new network namespace with a loopback interface: --network loopback"
      )
    }
    if (other !== undefined) {
      return yield* refuse(
        "--allow",
        first,
        `can't be combined with the network ${other.name}, which bypasses the proxy: leave that network out`
      )
    }
    const { process } = container
    const variables = proxyVariables.map(([name, value]) => `${name}=${value}`)
    // the variables of the configuration and of --env come later, and so replace these
    return { ...options, container: { ...container, process: { ...process, env: [...variables, ...process.env] } } }
  })

/** A workspace with the covers that it has by default; see `workspace` of `runfx/sandbox`. */
const described = (directory: string) => workspaceDescription(directory).workspace!

/** Adds a new /tmp and home for a program in a workspace, and hides the host's, if its root is the host's. */
const withHome = (
  options: Runtime.RunOptions,
  workspace: string
): Effect.Effect<Runtime.RunOptions, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const { container, scratch } = options
    if (scratch !== true) return options
    const { process } = container
    const owner = yield* idsBefore(process.user, { root: "/", mounts: container.mounts })
    const size = bytesOf(usualHome)!
    const home = hasHome(workspace) ? [privately(ownHome, size, owner)] : []
    return {
      ...options,
      container: {
        ...container,
        // the mounts of the options come later, and so are on top
        mounts: [
          inMemory("/tmp", defaultTmpfs, true),
          emptied("/home"),
          emptied("/root"),
          ...home,
          ...container.mounts
        ],
        maskedPaths: [...container.maskedPaths, ...hostSecrets],
        process: { ...process, env: [`HOME=${home.length > 0 ? ownHome : "/tmp"}`, ...process.env] }
      }
    }
  })

const withWorkspace = (
  options: Runtime.RunOptions,
  { cwd, detach, workspace }: Confinement
): Effect.Effect<Runtime.RunOptions, OptionError | StateRootError, Kernel> =>
  Effect.gen(function*() {
    if (workspace === undefined) return options
    if (detach === true) {
      return yield* refuse("--workspace", workspace, "needs a runfx that cleans it up at the end: leave out --detach")
    }
    if (!/^\/.*[^/.]/.test(workspace)) {
      return yield* refuse("--workspace", workspace, "must be an absolute path of a directory, and not the root")
    }
    const found = yield* find(described(workspace), hostTree)
    const [problem] = found.problems
    if (problem !== undefined) return yield* refuse("--workspace", workspace, problem.rule)
    const stateRoot = options.stateRoot ?? (yield* usualStateRoot)
    if (yield* holdsStates(found.source, stateRoot)) {
      return yield* refuse(
        "--workspace",
        workspace,
        `must not hold the states of containers (${stateRoot}): see --root`
      )
    }
    const withOwn = yield* withHome(options, workspace)
    const { container } = withOwn
    return {
      ...withOwn,
      container: {
        ...container,
        mounts: [...container.mounts, bound(found.source, workspace, false)],
        readonlyPaths: [...container.readonlyPaths, ...found.readOnly],
        maskedPaths: [...container.maskedPaths, ...found.hidden],
        process: { ...container.process, cwd: cwd ?? workspace }
      }
    }
  })

/** The options of a start, changed by these; nothing is made yet. */
export const confined = (
  options: Runtime.RunOptions,
  command: Confinement
): Effect.Effect<Runtime.RunOptions, OptionError | StateRootError, Kernel> =>
  Effect.flatMap(withAllow(options, command), (allowed) => withWorkspace(allowed, command))

/** How many different refusals are reported. */
const mostTold = 100

/** Reports each refusal once, however often a program asks. */
const teller = (): (connection: Connection) => void => {
  const told = new Set<string>()
  return ({ host, outcome, reason }) => {
    const text = host === undefined || outcome === "allowed" ? undefined : reason
    if (text === undefined || told.has(text) || told.size >= mostTold) return
    told.add(text)
    Effect.runFork(Effect.ignore(printError(`runfx: ${visibleLine(text)} (--allow)\n`)))
  }
}

/** What runs alongside a program as long as the scope is open. */
export type Beside = Effect.Effect<Door | undefined, SyscallError, Kernel | Scope.Scope>

/** Reads the host now; all later work is done by calls, so that a plan shows it. */
export const beside = (command: Confinement): Effect.Effect<Beside, OptionError> =>
  Effect.gen(function*() {
    const { allow, workspace } = command
    const found = workspace === undefined ? undefined : yield* find(described(workspace), hostTree)
    const rules = yield* rulesOf(command)
    const door = allow === undefined ? Effect.succeed(undefined) : makeDoor({ rules, report: teller() })
    return found === undefined ? door : Effect.andThen(placeholders(found), door)
  })
