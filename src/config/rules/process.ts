/** Rules of the process: what it executes, as whom, with which limits. */
import { IOPRIO_CLASS, SCHED } from "../../native/constants.ts"
import * as capabilities from "../capabilities.ts"
import { hostId, type IdMapping, makesNamespace } from "../Container.ts"
import * as rlimits from "../rlimits.ts"
import {
  capabilityRule,
  each,
  type Found,
  found,
  idRule,
  isId,
  isWithin,
  noNul,
  pathRule,
  type Rule,
  when
} from "./Rule.ts"

/** The most supplementary groups that a process can have: NGROUPS_MAX. @see setgroups(2) */
const mostGroups = 65_536

/** There is a program to execute. */
export const args: Rule = {
  reads: ["process.args"],
  check: ({ process: { args } }) => [
    ...when(args.length === 0, () => found("process.args", [], args, "must name a program")),
    ...when(args[0] === "", () => found("process.args", [0], "", "must name a program")),
    ...each(args, (arg, index) => when(arg.includes("\0"), () => found("process.args", [index], arg, noNul)))
  ]
}

/** Each entry of the environment is `NAME=value`. The value may be a secret, so no problem shows it. */
export const env: Rule = {
  reads: ["process.env"],
  check: ({ process: { env } }) =>
    // only the init looks at what is redacted
    each(env, (entry, index) =>
      typeof entry !== "string" ? [] : [
        ...when(entry.indexOf("=") < 1, () => found("process.env", [index], undefined, "must be NAME=value")),
        ...when(entry.includes("\0"), () => found("process.env", [index], nameIn(entry), noNul))
      ])
}

const nameIn = (entry: string): string | undefined =>
  entry.indexOf("=") < 1 ? undefined : `${entry.slice(0, entry.indexOf("="))}=…`

/** The working directory is absolute. */
export const cwd: Rule = {
  reads: ["process.cwd"],
  check: ({ process: { cwd } }) =>
    when(pathRule(cwd) !== undefined, () => found("process.cwd", [], cwd, pathRule(cwd)!))
}

/** The user and its groups are ids that the container has. */
export const user: Rule = {
  reads: ["process.user", "namespaces", "uidMappings", "gidMappings"],
  check: (container) => {
    const { user } = container.process
    const ids = user._tag === "Ids"
      ? [["uid", user.uid, container.uidMappings], ["gid", user.gid, container.gidMappings]] as const
      : []
    const inNew = makesNamespace(container, "user")
    const check = (
      at: ReadonlyArray<string | number>,
      id: number,
      mappings: ReadonlyArray<IdMapping>
    ): ReadonlyArray<Found> => [
      ...when(!isId(id), () => found("process.user", at, id, idRule)),
      ...when(
        isId(id) && inNew && mappings.length > 0 && hostId(mappings, id) === undefined,
        () => found("process.user", at, id, "must be an id that the mappings hold")
      )
    ]
    return [
      ...ids.flatMap(([name, id, mappings]) => check([name], id, mappings)),
      ...when(
        user.additionalGids.length > mostGroups,
        () =>
          found(
            "process.user",
            ["additionalGids"],
            user.additionalGids.length,
            `must be at most ${mostGroups}, as the kernel takes no more`
          )
      ),
      ...each(
        user.additionalGids.slice(0, mostGroups),
        (gid, index) => check(["additionalGids", index], gid, container.gidMappings)
      ),
      ...when(
        user._tag === "Named" && /[\0\n]/.test(user.spec),
        () => found("process.user", [], user._tag === "Named" ? user.spec : undefined, "must be user[:group]")
      )
    ]
  }
}

/** Capabilities are known, and those that are effective are permitted too. */
export const capabilitySets: Rule = {
  reads: ["process.capabilities"],
  check: ({ process: { capabilities: sets } }) => {
    if (sets === undefined) return []
    const names = ["bounding", "effective", "inheritable", "permitted", "ambient"] as const
    return [
      ...names.flatMap((name) =>
        each(
          sets[name],
          (number, index) =>
            when(!isWithin(number, 0, capabilities.last), () =>
              found("process.capabilities", [name, index], number, capabilityRule))
        )
      ),
      // capset(2) refuses it with EPERM
      ...each(sets.effective, (number, index) =>
        when(!sets.permitted.includes(number), () =>
          found(
            "process.capabilities",
            ["effective", index],
            capabilities.nameOf(number),
            "must be among the permitted ones, too"
          )))
    ]
  }
}

/** No resource is limited twice, and no soft limit is above the hard one. */
export const limits: Rule = {
  reads: ["process.rlimits"],
  check: ({ process: { rlimits: list } }) =>
    each(list, ({ hard, resource, soft }, index) => [
      ...when(!Object.values(rlimits.numbers).includes(resource), () =>
        found("process.rlimits", [index, "type"], resource, "must be a resource from 0 to 15")),
      ...when(
        list.findIndex((other) =>
          other.resource === resource
        ) < index,
        () => found("process.rlimits", [index, "type"], rlimits.nameOf(resource), "must not be given twice")
      ),
      ...when(soft > hard, () =>
        found("process.rlimits", [index, "soft"], soft, `must not be above the hard limit ${hard}`))
    ])
}

const within = (value: number | undefined, low: number, high: number): boolean =>
  value === undefined || isWithin(value, low, high)

/** The score of the out-of-memory killer, the umask and the i/o priority are in range. */
export const scores: Rule = {
  reads: ["process.oomScoreAdj", "process.umask", "process.ioPriority"],
  check: ({ process: { ioPriority, oomScoreAdj, umask } }) => [
    ...when(
      !within(oomScoreAdj, -1000, 1000),
      () => found("process.oomScoreAdj", [], oomScoreAdj, "must be from -1000 to 1000")
    ),
    ...when(!within(umask, 0, 0o777), () => found("process.umask", [], umask, "must be from 0 to 511 (0777)")),
    ...when(
      !within(ioPriority?.priority, 0, 7),
      () => found("process.ioPriority", ["priority"], ioPriority?.priority, "must be from 0 to 7")
    ),
    ...when(
      !within(ioPriority?.class, IOPRIO_CLASS.RT, IOPRIO_CLASS.IDLE),
      () => found("process.ioPriority", ["class"], ioPriority?.class, "must be a class from 1 to 3")
    )
  ]
}

/** The scheduling policy has the attributes that it takes, and no others. */
export const scheduler: Rule = {
  reads: ["process.scheduler"],
  check: ({ process: { scheduler } }) => {
    if (scheduler === undefined) return []
    const { deadline, nice, period, policy, priority, runtime } = scheduler
    const at = (field: string, value: unknown, rule: string) => found("process.scheduler", [field], value, rule)
    const realTime = policy === SCHED.FIFO || policy === SCHED.RR
    const timed = runtime !== 0n || deadline !== 0n || period !== 0n
    return [
      ...when(!within(nice, -20, 19), () => at("nice", nice, "must be from -20 to 19")),
      ...when(
        realTime && !within(priority, 1, 99),
        () => at("priority", priority, "must be from 1 to 99 for SCHED_FIFO and SCHED_RR")
      ),
      ...when(
        !realTime && priority !== 0,
        () => at("priority", priority, "must be 0 for policies other than SCHED_FIFO and SCHED_RR")
      ),
      ...when(
        policy !== SCHED.DEADLINE && timed,
        () => at("runtime", runtime, "runtime, deadline and period need SCHED_DEADLINE")
      ),
      ...when(
        policy === SCHED.DEADLINE && (runtime === 0n || runtime > deadline || period !== 0n && deadline > period),
        () => at("runtime", runtime, "must be above 0, and runtime ≤ deadline ≤ period")
      )
    ]
  }
}

/** AppArmor profile and SELinux labels are one line each. */
export const labels: Rule = {
  reads: ["process.apparmorProfile", "process.selinuxLabel", "mountLabel"],
  check: ({ mountLabel, process: { apparmorProfile, selinuxLabel } }) => [
    ...when(
      /[\0\n]/.test(apparmorProfile ?? ""),
      () => found("process.apparmorProfile", [], apparmorProfile, "must be one line")
    ),
    ...when(
      /[\0\n]/.test(selinuxLabel ?? ""),
      () => found("process.selinuxLabel", [], selinuxLabel, "must be one line")
    ),
    // the label is put between double quotes in the mount's options
    ...when(
      /[\0\n"]/.test(mountLabel ?? ""),
      () => found("mountLabel", [], mountLabel, "must be one line without double quotes")
    )
  ]
}

/** Rows and columns of a terminal are 16 bits wide. */
export const consoleSize: Rule = {
  reads: ["process.consoleSize"],
  check: ({ process: { consoleSize } }) =>
    (["rows", "columns"] as const).flatMap((field) =>
      when(
        !within(consoleSize?.[field], 0, 0xffff),
        () => found("process.consoleSize", [field], consoleSize?.[field], "must be from 0 to 65535")
      )
    )
}
