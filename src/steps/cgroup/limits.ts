/**
 * Applying the limits of a configuration to a container's cgroups.
 *
 * @category cgroups
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Cgroup } from "../../config/Container.ts"
import { allowDefaults } from "../../config/devices.ts"
import { O } from "../../native/constants.ts"
import { compileDeviceFilter } from "../../native/deviceFilter.ts"
import { using } from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { authority, authorityCalls, holds } from "../caller/authority.ts"
import {
  CgroupControllerMissing,
  CgroupFileMissing,
  CgroupLimitInvalid,
  CgroupValueRefused,
  DeviceFilterRefused,
  type NotACgroup
} from "./errors.ts"
import { fileCalls, inside, openIn, readIn, withGroup, writeIn, writeValue } from "./files.ts"
import { type CgroupManager, type Group, groupFor, groups, unified } from "./Manager.ts"
import { type Controller, controllers, deviceWrites, type Setting, type Settings, unifiedSettings } from "./settings.ts"

/** The calls that {@link applyLimits} may make. */
export const limitCalls = [...new Set([...fileCalls, ...authorityCalls]), "bpf_prog_load", "bpf_prog_attach"] as const

/** What {@link applyLimits} can fail with. */
export type LimitError =
  | SyscallError
  | NotACgroup
  | CgroupControllerMissing
  | CgroupFileMissing
  | CgroupValueRefused
  | CgroupLimitInvalid
  | DeviceFilterRefused

/** `BPF_F_ALLOW_MULTI`: programs of the groups above are still asked as well. */
const allowMulti = 2

/** The group that serves a controller in this container's hierarchies, and the controller's name there. */
const served = (
  all: ReadonlyArray<Group>,
  { v1, v2 }: Controller
): { group: Group; name: string; v2: boolean } | undefined => {
  const own = groupFor(all, v1)
  if (own !== undefined) return { group: own, name: v1, v2: false }
  const other = groupFor(all, unified)
  return other === undefined ? undefined : { group: other, name: v2, v2: true }
}

const limitsOf = (settings: Settings): ReadonlyArray<string> => [
  ...new Set(settings.map(({ limit }) => limit))
]

/**
 * The v2 controllers that a configuration needs, each with the limits that need it: what `create` must switch on. Empty
 * on a host without a cgroup2 hierarchy.
 */
export const requiredControllers = (
  manager: CgroupManager,
  cgroup: Cgroup
): ReadonlyMap<string, ReadonlyArray<string>> => {
  const required = new Map<string, ReadonlyArray<string>>()
  const all = groups(manager)
  for (const controller of controllers) {
    const by = served(all, controller)
    if (by === undefined || !by.v2) continue
    // what is optional only is not worth a failure
    const limits = limitsOf(
      controller.settingsV2(cgroup).filter((setting) => setting._tag === "Setting" && !setting.optional)
    )
    if (limits.length > 0) required.set(by.name, limits)
  }
  if (manager.paths[unified] !== undefined) {
    for (const setting of unifiedSettings(cgroup)) {
      const controller = setting._tag === "Setting" ? controllerOf(setting) : "cgroup"
      if (controller === "cgroup") continue
      required.set(controller, [...(required.get(controller) ?? []), setting.limit])
    }
  }
  return required
}

/** The controller that the file of a `unified` key belongs to: what is before the first dot. */
const controllerOf = (setting: Setting): string => setting.candidates[0]!.file.split(".", 1)[0]!

/**
 * The limits of CPU time, apart from those of realtime, without which a process can't be given its scheduling policy. They
 * are set after the setup of the container, which is the runtime's work, and would take seconds with a program's small share.
 */
const ofCpuTime: ReadonlySet<string> = new Set(["cpu.shares", "cpu.period", "cpu.quota", "cpu.burst", "cpu.idle"])

const isOfCpuTime = ({ _tag, limit }: Settings[number]): boolean => _tag === "Setting" && ofCpuTime.has(limit)

/** The limits of CPU time, and the group that they are for; `undefined` if there are none. */
const cpuTimeOf = (manager: CgroupManager, cgroup: Cgroup) => {
  const controller = controllers.find(({ v1 }) => v1 === "cpu")!
  const by = served(groups(manager), controller)
  if (by === undefined) return undefined
  const settings = (by.v2 ? controller.settingsV2 : controller.settingsV1)(cgroup).filter(isOfCpuTime)
  return settings.length === 0 ? undefined : { ...by, settings }
}

/**
 * Whether a configuration limits the container's CPU time, so that {@link applyCpuTime} has something to write.
 *
 * @since 0.2.0
 */
export const limitsCpuTime = (manager: CgroupManager, cgroup: Cgroup): boolean =>
  cpuTimeOf(manager, cgroup) !== undefined

/**
 * Writes the limits of CPU time that {@link applyLimits} has left. Fails as that does.
 *
 * @since 0.2.0
 */
export const applyCpuTime = (manager: CgroupManager, cgroup: Cgroup): Effect.Effect<void, LimitError, Kernel> => {
  const limited = cpuTimeOf(manager, cgroup)
  return limited === undefined ? Effect.void : applyTo(limited.group, limited.name, limited.settings, cgroup)
}

/**
 * Writes every limit that the configuration asks for, and the device rules.
 *
 * Fails with {@link CgroupControllerMissing} if no hierarchy has the controller, {@link CgroupFileMissing} if the
 * kernel has no such file, {@link CgroupValueRefused} if it does not take the value, and {@link CgroupLimitInvalid}.
 * What is not asked for is not touched. With `cpuTime: false` the limits of CPU time are left for {@link applyCpuTime}.
 *
 * Limits that depend on each other (memory and swap, period and quota) can be raised and lowered in either order: one
 * that is refused is tried once more after the others of its controller are written.
 *
 * In v2 the device rules are a BPF program, which needs `CAP_BPF` (or `CAP_SYS_ADMIN`) and `CAP_NET_ADMIN` in the initial
 * user namespace. A caller who has neither these nor `CAP_MKNOD` continues without one, unless the rules deny more than those
 * of every container do.
 */
export const applyLimits = (
  manager: CgroupManager,
  cgroup: Cgroup,
  { cpuTime = true }: { readonly cpuTime?: boolean } = {}
): Effect.Effect<void, LimitError, Kernel> => applyAll(manager, cgroup, cpuTime)

const applyAll = Effect.fnUntraced(function*(
  manager: CgroupManager,
  cgroup: Cgroup,
  cpuTime: boolean
): Effect.fn.Return<void, LimitError, Kernel> {
  const all = groups(manager)
  for (const controller of controllers) {
    const by = served(all, controller)
    const settings = (by?.v2 === true ? controller.settingsV2 : controller.settingsV1)(cgroup)
    // a controller that is missing is reported at once
    const now = cpuTime || by === undefined ? settings : settings.filter((setting) => !isOfCpuTime(setting))
    yield* applyTo(by?.group, by?.name ?? controller.v1, now, cgroup)
  }
  const settings = unifiedSettings(cgroup)
  if (settings.length > 0) {
    const group = groupFor(all, unified)
    for (const setting of settings) {
      const controller = setting._tag === "Setting" ? controllerOf(setting) : unified
      yield* applyTo(group, controller, [setting], cgroup)
    }
  }
  if (cgroup.devices.length > 0) yield* applyDevices(all, cgroup)
})

const applyTo = (
  group: Group | undefined,
  controller: string,
  settings: Settings,
  cgroup: Cgroup
): Effect.Effect<void, LimitError, Kernel> => {
  const invalid = settings.find((setting) => setting._tag === "Invalid")
  if (invalid !== undefined) return Effect.fail(new CgroupLimitInvalid(invalid))
  const wanted = settings.filter((setting) => setting._tag === "Setting")
  const ignored = settings.filter((setting) => setting._tag === "Ignored")
  const told = Effect.forEach(ignored, ({ limit, problem }) => Effect.logDebug(`${limit} ${problem}`), {
    discard: true
  })
  if (wanted.length === 0) return told
  if (group === undefined) {
    return Effect.fail(new CgroupControllerMissing({ limits: limitsOf(wanted), controller }))
  }
  const written = withGroup(group, (dirfd) =>
    Effect.gen(function*() {
      if (controller === "memory" && cgroup.memory?.checkBeforeUpdate === true && group.keys.includes(unified)) {
        yield* refuseBelowUsage(dirfd, cgroup.memory.limit ?? -1n)
      }
      const again: Array<Setting> = []
      for (const setting of wanted) {
        const result = yield* Effect.result(apply(dirfd, group, controller, setting))
        if (result._tag === "Success") continue
        if (result.failure._tag !== "CgroupValueRefused" || wanted.length === 1) return yield* result.failure
        again.push(setting)
      }
      for (const setting of again) yield* apply(dirfd, group, controller, setting)
    }))
  return Effect.andThen(told, written)
}

/** v2 kills what is above a new limit; v1 refuses the limit by itself. */
const refuseBelowUsage = Effect.fnUntraced(function*(
  dirfd: AnyFd,
  limit: bigint
): Effect.fn.Return<void, SyscallError | CgroupLimitInvalid, Kernel> {
  const usage = BigInt((yield* readIn(dirfd, "memory.current")).trim())
  if (limit > 0n && limit < usage) {
    const problem = `is ${limit}, but ${usage} bytes are in use, and memory.checkBeforeUpdate asks not to go below that`
    return yield* new CgroupLimitInvalid({ limit: "memory.limit", problem })
  }
})

/** Writes a setting to the first of its files that exists. */
const apply = Effect.fnUntraced(function*(
  dirfd: AnyFd,
  group: Group,
  controller: string,
  setting: Setting
): Effect.fn.Return<
  void,
  SyscallError | CgroupControllerMissing | CgroupFileMissing | CgroupValueRefused,
  Kernel
> {
  const { candidates, limit } = setting
  for (const { file, value } of candidates) {
    const result = yield* Effect.result(writeIn(dirfd, file, value))
    if (result._tag === "Success") return
    const reason = result.failure
    // only a failing open means a missing file; a write may fail with ENOENT for what its value names
    if (reason.call._tag === "openat2" && reason.code === "ENOENT") continue
    return yield* new CgroupValueRefused({ limit, controller, file: `${group.path}/${file}`, value, reason })
  }
  if (setting.optional) return
  const { path } = group
  if (group.keys.includes(unified) && controller !== "cgroup") {
    const here = (yield* readIn(dirfd, "cgroup.controllers")).trim().split(" ")
    if (!here.includes(controller)) return yield* new CgroupControllerMissing({ limits: [limit], controller, path })
  }
  const value = candidates[0]!.value
  return yield* new CgroupFileMissing({ limit, controller, path, files: candidates.map(({ file }) => file), value })
})

/** A file takes one rule in a write, and stays open for all that follow each other. */
const applyRules = (
  dirfd: AnyFd,
  { path }: Group,
  writes: ReturnType<typeof deviceWrites>
): Effect.Effect<void, CgroupFileMissing | CgroupValueRefused, Kernel> => {
  const about = { limit: "devices", controller: "devices" }
  const runs: Array<{ readonly file: string; readonly values: Array<string> }> = []
  for (const { file, value } of writes) {
    const last = runs.at(-1)
    if (last?.file !== file) runs.push({ file, values: [value] })
    // the same once more changes nothing: configurations begin by denying all, as every container does
    else if (last.values.at(-1) !== value) last.values.push(value)
  }
  return Effect.forEach(runs, ({ file, values }) => {
    const refused = (value: string) => (reason: SyscallError) =>
      new CgroupValueRefused({ ...about, file: `${path}/${file}`, value, reason })
    const write = (fd: AnyFd) =>
      Effect.forEach(values, (value) => Effect.mapError(writeValue(fd, value), refused(value)), { discard: true })
    return Effect.catchTag(using(openIn(dirfd, file), write), "SyscallError", (reason) =>
      Effect.fail(
        reason.call._tag === "openat2" && reason.code === "ENOENT"
          ? new CgroupFileMissing({ ...about, path, files: [file], value: values[0]! })
          : refused(values[0]!)(reason)
      ))
  }, { discard: true })
}

const applyDevices = (
  all: ReadonlyArray<Group>,
  { devices }: Cgroup
): Effect.Effect<void, LimitError, Kernel> => {
  const limit = "devices"
  const v1 = groupFor(all, "devices")
  if (v1 !== undefined) {
    return withGroup(v1, (dirfd) => applyRules(dirfd, v1, deviceWrites(devices))).pipe(
      // without CAP_SYS_ADMIN on the host it refuses, even in a cgroup that was delegated (devcgroup_update_access)
      Effect.catchTag("CgroupValueRefused", (refused) => withoutFilter(devices, refused))
    )
  }
  const v2 = groupFor(all, unified)
  if (v2 === undefined) return Effect.fail(new CgroupControllerMissing({ limits: [limit], controller: "devices" }))
  return withGroup(v2, (dirfd) =>
    using(
      // bpf(2) takes no O_PATH descriptor
      sys.openat2({ dirfd, path: ".", flags: O.RDONLY | O.DIRECTORY | O.CLOEXEC, mode: 0, resolve: inside }),
      (targetFd) =>
        using(
          sys.bpf_prog_load({ instructions: compileDeviceFilter(devices), license: "Apache" }),
          (programFd) => sys.bpf_prog_attach({ targetFd, programFd, flags: allowMulti })
        )
    )).pipe(
      Effect.catchTag("SyscallError", (reason) =>
        reason.call._tag.startsWith("bpf")
          ? withoutFilter(devices, new DeviceFilterRefused({ path: v2.path, reason }))
          : Effect.fail(reason))
    )
}

/**
 * Continues without a filter if it would deny nothing that the container could do: a caller who may load none may not
 * make device nodes either, nor may what it starts. Rules that deny more than every container is denied are a wish of the
 * configuration, and are not dropped.
 */
const withoutFilter = <E extends DeviceFilterRefused | CgroupValueRefused>(
  devices: Cgroup["devices"],
  refused: E
): Effect.Effect<void, SyscallError | E, Kernel> =>
  Effect.flatMap(
    authority,
    (caller) =>
      refused.reason.code === "EPERM" && !(caller.initial && holds(caller, "MKNOD")) && allowDefaults(devices)
        ? Effect.logDebug(`the container has no device filter: ${refused.message}`)
        : Effect.fail(refused)
  )
