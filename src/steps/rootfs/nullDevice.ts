/**
 * The host's null device on standard input, output and error.
 *
 * Through a descriptor of the host's node a program could change its mode on the host. The container's `/dev/null` is looked
 * up where the program will see it, and checked, for an image or a process may have put something else there
 * (CVE-2025-31133).
 *
 * @category rootfs
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { O, RESOLVE } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import type { Stat } from "../../native/results.ts"
import { NotNullDeviceError } from "./errors.ts"

const stream = (fd: AnyFd): Effect.Effect<Stat | undefined, SyscallError, Kernel> =>
  Files.stat(fd).pipe(
    // closed, and stays so
    orOn(["EBADF"], undefined)
  )

/** The calls of {@link exchangeNull}. */
export const exchangeCalls = ["statx", "openat2", "dup3", "close"] as const

/** What to do if they fail. */
export const exchangeAdvice = {
  ENOENT:
    "add /dev/null (c 1:3) to the container's devices, or connect standard input, output and error to something else"
} as const

/** Opens the container's null device again on those of descriptors 0 to 2 that are the host's. */
export const exchangeNull = Effect.fnUntraced(
  function*(root: AnyFd): Effect.fn.Return<void, NotNullDeviceError | SyscallError, Kernel> {
    const streams = yield* Effect.forEach([0, 1, 2], stream)
    const wanted = [0, 1, 2].filter((fd) => streams[fd] !== undefined && Files.isNull(streams[fd], "unknown"))
    if (wanted.length === 0) return
    // first without opening: to open a device or a fifo of the image's choice would have effects of its own
    yield* Files.using(
      Files.resolve(root, "/dev/null", { resolve: RESOLVE.NO_SYMLINKS }),
      (fd) =>
        Effect.flatMap(
          Files.stat(fd),
          (stat) => Files.isNull(stat) ? Effect.void : new NotNullDeviceError({ path: "/dev/null" })
        )
    )
    yield* Files.using(Files.open(root, "/dev/null", O.RDWR, RESOLVE.NO_SYMLINKS), (fd) =>
      Effect.gen(function*() {
        if (!Files.isNull(yield* Files.stat(fd))) return yield* new NotNullDeviceError({ path: "/dev/null" })
        for (const newfd of wanted) yield* sys.dup3({ oldfd: fd, newfd, flags: 0 })
      }))
  }
)
