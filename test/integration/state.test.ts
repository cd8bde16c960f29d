/**
 * What the tests of the state share.
 *
 * The parts are in one process, which they share with their set-up.
 */
import "./state/directory.ts"
import "./state/status.ts"
