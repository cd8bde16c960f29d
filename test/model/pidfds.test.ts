/** What a pidfd's inode can do differs from Linux to Linux: the model says that it does not know. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sys } from "../../src/native/Kernel.ts"
import { ModelKernel, seed, UnmodelledError } from "../../src/testing/Testing.ts"

const path = (fd: number) => `/proc/self/fd/${fd}`

for (
  const [what, act] of [
    ["a change of mode", (fd: number) => sys.fchmodat({ dirfd: -100, path: path(fd), mode: 0o600 })],
    ["a change of owner", (fd: number) => sys.fchownat({ dirfd: -100, path: path(fd), uid: 1, gid: 1, flags: 0 })],
    ["a size", (fd: number) => sys.ftruncate({ fd, length: 0n })]
  ] as const
) {
  it(`${what} of a pidfd is unmodelled`, () => {
    const program = Effect.gen(function*() {
      yield* act(yield* sys.pidfd_open({ pid: yield* sys.getpid({}), flags: 0 }))
    })
    const model = ModelKernel.make(seed({ uid: 0 }))
    assert.throws(() => Effect.runSync(Effect.provide(program, model.layer)), UnmodelledError)
  })
}
