/**
 * A plan is what happens: for each configuration, the calls of both sides that it tells, in order and with their arguments,
 * are those of the run that follows on this kernel.
 *
 * The parts are in one process, which they share with their set-up.
 */
import "./planned/containers.ts"
import "./planned/runs.ts"
