/**
 * Every typed error that can cross the channel, so that the parent gets it as what it was.
 */
import { UserError } from "../config/user.ts"
import { InvalidPipelineError, PipelineError } from "../engine/PipelineError.ts"
import { ParentGone } from "./awaitParent.ts"
import { CgroupJoinError, NotACgroup } from "./cgroup/errors.ts"
import { RootNotBuilt } from "./enterBuiltRoot.ts"
import * as processErrors from "./errors.ts"
import { NetworkError, UnknownStrategyError } from "./network/NetworkError.ts"
import { classes as rootfsErrors } from "./rootfs/errors.ts"
import { SeccompError } from "./seccomp/SeccompError.ts"
import { RouteError } from "./setupRoute.ts"
import type { ErrorClasses } from "./wire.ts"

/** By tag, which is the name of the class. */
export const classes: ErrorClasses = {
  ...processErrors,
  ...rootfsErrors,
  CgroupJoinError,
  InvalidPipelineError,
  NetworkError,
  NotACgroup,
  ParentGone,
  PipelineError,
  RootNotBuilt,
  RouteError,
  SeccompError,
  UnknownStrategyError,
  UserError
}
