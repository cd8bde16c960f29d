/** Devices of the host, by path. */
import * as Effect from "effect/Effect"
import { type Problem, problem } from "../../config/ConfigError.ts"
import type { Device } from "../../config/Container.ts"
import { AT, S, STATX } from "../../native/constants.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { absent } from "./root.ts"

const notADevice = "must be a device on the host"

/** A device as the model has it, or why it is none. */
export const deviceOf = (path: string, index: number): Effect.Effect<Device | Problem, SyscallError, Kernel> =>
  sys.statx({ dirfd: AT.FDCWD, path, flags: 0, mask: STATX.BASIC_STATS }).pipe(
    Effect.map((stat): Device | Problem => {
      const type = stat.mode & S.IFMT
      if (type !== S.IFCHR && type !== S.IFBLK) return problem(`devices[${index}]`, path, notADevice)
      // any user of the sandbox may use it: somebody has asked for it
      return { path, type: type === S.IFCHR ? "c" : "b", ...stat.rdev, fileMode: 0o666, uid: 0, gid: 0 }
    }),
    orOn(absent, problem(`devices[${index}]`, path, notADevice))
  )

/** Whether it is one. */
export const isDevice = (found: Device | Problem): found is Device => "major" in found
