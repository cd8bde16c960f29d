import { assert, it } from "@effect/vitest"
import { generalAdvice } from "../../src/native/generalAdvice.ts"

it("an errno of which there is too little names what there is too little of", () => {
  assert.include(generalAdvice("mkdirat", "ENOSPC"), "room on the file system")
  assert.include(generalAdvice("move_mount", "ENOSPC"), "fs.mount-max")
  for (const call of ["unshare", "clone"]) assert.include(generalAdvice(call, "ENOSPC"), "user.max_*_namespaces")
  assert.include(generalAdvice("clone", "EUSERS"), "user.max_*_namespaces")
  assert.include(generalAdvice("openat", "EMFILE"), "ulimit -n")
})

it("what only a mistake in the code brings about has no advice", () => {
  for (const code of ["EBADF", "EFAULT"] as const) assert.isUndefined(generalAdvice("read", code))
})
